import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Where each backup was first allowed to begin, in the tables and in the states that are decided on. The journal has it
 * for the backups of before; a rebuild gives the same.
 */
export class ChoicesByTheLog1764200000000 implements MigrationInterface {
  readonly name = 'ChoicesByTheLog1764200000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX api.backup_project_began');
    await runner.query('ALTER TABLE api.backup DROP began_position, DROP accepted');
    await runner.query('CREATE INDEX backup_project_position ON api.backup (project_id, position)');
    await runner.query('ALTER TABLE api.project DROP in_doubt');
  }
}

const STATEMENTS = [
  'ALTER TABLE api.backup ADD began_position bigint NOT NULL DEFAULT 0, ADD accepted jsonb',
  `ALTER TABLE api.project ADD in_doubt jsonb NOT NULL DEFAULT '[]'`,
  `UPDATE api.backup SET began_position = began.position
     FROM (SELECT convert_from(bytes, 'UTF8')::jsonb #>> '{data,operationId}' AS operation_id, min(position) AS position
             FROM api.journal WHERE subject LIKE 'buckets.event.project.%.backup-began' GROUP BY 1) AS began
    WHERE backup.record ->> 'operationId' = began.operation_id`,
  `UPDATE api.thing_state SET state = jsonb_set(state, '{backups}', placed.backups)
     FROM (SELECT thing_state.id, jsonb_object_agg(known.key, known.value - 'beganAt' - 'generation' || jsonb_build_object(
                    'beganPosition', backup.began_position, 'recordedPosition', backup.position)) AS backups
             FROM api.thing_state CROSS JOIN jsonb_each(state -> 'backups') AS known
             JOIN api.backup ON backup.project_id = thing_state.id AND backup.id = known.key
            WHERE thing = 'project' GROUP BY thing_state.id) AS placed
    WHERE thing_state.thing = 'project' AND thing_state.id = placed.id`,
  `UPDATE api.project SET in_doubt = doubts.ids
     FROM (SELECT thing_state.id, jsonb_agg(known.key) AS ids
             FROM api.thing_state CROSS JOIN jsonb_each(state -> 'backups') AS known
            WHERE thing = 'project' AND known.value ? 'maybeDeletedBy' GROUP BY thing_state.id) AS doubts
    WHERE project.id = doubts.id`,
  'ALTER TABLE api.backup ALTER began_position DROP DEFAULT',
  'ALTER TABLE api.project ALTER in_doubt DROP DEFAULT',
  'DROP INDEX api.backup_project_position',
  'CREATE INDEX backup_project_began ON api.backup (project_id, began_position, position)',
];
