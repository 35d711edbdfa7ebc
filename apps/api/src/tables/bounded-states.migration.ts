import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What is known of each backup goes from the folded state of its project, which grew with it, into the backup's row. What
 * the states did not hold is in the journal; a rebuild gives the same.
 */
export class BoundedStates1764650000000 implements MigrationInterface {
  readonly name = 'BoundedStates1764650000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

/** Where each backup was said to be damaged, once for each time that it was not before. */
const DAMAGED = `
  SELECT split_part(subject, '.', 4) AS project_id, id, position, subject LIKE '%.backups-damaged' AS is_damaged
    FROM api.journal
   CROSS JOIN LATERAL jsonb_array_elements_text(convert_from(bytes, 'UTF8')::jsonb #> '{data,backupIds}') AS id
   WHERE subject LIKE 'buckets.event.project.%.backups-damaged' OR subject LIKE 'buckets.event.project.%.backups-healed'`;

/** Where each operation was first allowed to begin. */
const BEGAN = `
  SELECT split_part(subject, '.', 4) AS project_id, convert_from(bytes, 'UTF8')::jsonb #>> '{data,operationId}' AS id,
         min(position) AS position
    FROM api.journal WHERE subject LIKE 'buckets.event.project.%-began' GROUP BY 1, 2`;

const UP = [
  `ALTER TABLE api.backup ADD operation_id text, ADD partial_because jsonb, ADD restorable boolean,
     ADD maybe_deleted_by text, ADD unplaced boolean NOT NULL DEFAULT false, ADD damaged_position bigint`,
  `UPDATE api.backup SET operation_id = record ->> 'operationId',
          partial_because = coalesce(known.value -> 'partialBecause', record -> 'partialBecause'),
          maybe_deleted_by = known.value ->> 'maybeDeletedBy',
          unplaced = coalesce(known.value ->> 'unplaced', 'false')::boolean,
          damaged_position = CASE WHEN (known.value ->> 'damaged')::boolean THEN backup.position END
     FROM api.thing_state CROSS JOIN jsonb_each(state -> 'backups') AS known
    WHERE thing = 'project' AND backup.project_id = thing_state.id AND backup.id = known.key`,
  `UPDATE api.backup SET operation_id = record ->> 'operationId', partial_because = record -> 'partialBecause'
    WHERE operation_id IS NULL`,
  `UPDATE api.backup SET restorable = NOT partial_because ?| ARRAY['empty', 'shrunken']`,
  `WITH said AS (${DAMAGED})
   UPDATE api.backup SET damaged_position = since.position
     FROM (SELECT project_id, id, min(position) AS position FROM said
            WHERE is_damaged AND NOT EXISTS (SELECT FROM said AS later WHERE later.project_id = said.project_id
                    AND later.id = said.id AND NOT later.is_damaged AND later.position > said.position)
            GROUP BY 1, 2) AS since
    WHERE backup.damaged_position IS NOT NULL AND backup.project_id = since.project_id AND backup.id = since.id`,
  `ALTER TABLE api.backup ALTER operation_id SET NOT NULL, ALTER partial_because SET NOT NULL,
     ALTER restorable SET NOT NULL, ALTER unplaced DROP DEFAULT`,
  `CREATE INDEX backup_restorable ON api.backup (project_id, began_position, position)
     WHERE restorable AND maybe_deleted_by IS NULL`,
  `CREATE INDEX backup_good ON api.backup (project_id, began_position, position)
     WHERE restorable AND maybe_deleted_by IS NULL AND damaged_position IS NULL`,
  'CREATE INDEX backup_unplaced ON api.backup (project_id, began_position, position) WHERE unplaced',
  'CREATE INDEX backup_doubt ON api.backup (project_id, id) WHERE maybe_deleted_by IS NOT NULL',
  `CREATE INDEX backup_damaged ON api.backup (project_id, began_position, position)
     WHERE damaged_position IS NOT NULL`,
  `CREATE INDEX backup_whole ON api.backup (project_id, began_position, position) WHERE damaged_position IS NULL`,

  'ALTER TABLE api.operation ADD began_position bigint',
  `UPDATE api.operation SET began_position = began.position FROM (${BEGAN}) AS began
    WHERE operation.id = began.id AND operation.project_id = began.project_id`,
  // What was recorded late had lost its place, and what has one needs no guess.
  `UPDATE api.backup SET began_position = operation.began_position FROM api.operation
    WHERE backup.began_position = 0 AND operation.id = operation_id AND operation.project_id = backup.project_id
      AND operation.kind = 'backup' AND operation.began_position IS NOT NULL`,
  'UPDATE api.backup SET unplaced = false WHERE unplaced AND began_position > 0',

  'DROP INDEX api.project_damaged',
  `ALTER TABLE api.project DROP in_doubt, DROP damaged_backups, ADD backups int NOT NULL DEFAULT 0,
     ADD damaged_backups int NOT NULL DEFAULT 0, ADD cover_lost text`,
  `UPDATE api.project SET backups = counted.backups, damaged_backups = counted.damaged
     FROM (SELECT project_id, count(*) AS backups, count(damaged_position) AS damaged FROM api.backup GROUP BY 1) AS counted
    WHERE project.id = counted.project_id`,
  `UPDATE api.project SET cover_lost = CASE WHEN damaged_position IS NOT NULL THEN 'damaged' ELSE 'in-doubt' END
     FROM api.backup WHERE project_id = project.id AND backup.id = covered_by
      AND (damaged_position IS NOT NULL OR maybe_deleted_by IS NOT NULL)`,
  'ALTER TABLE api.project ALTER backups DROP DEFAULT, ALTER damaged_backups DROP DEFAULT',
  'CREATE INDEX project_damaged ON api.project (id) WHERE damage IS NOT NULL OR damaged_backups > 0',

  // The one that began last of all that were ever recorded, the deleted ones too.
  `WITH began AS (${BEGAN}), recorded AS (
     SELECT split_part(subject, '.', 4) AS project_id, convert_from(bytes, 'UTF8')::jsonb #>> '{data,operationId}' AS id
       FROM api.journal WHERE subject LIKE 'buckets.event.project.%.backup-recorded')
   UPDATE api.thing_state SET state = jsonb_set(state, '{newest}', newest.it)
     FROM (SELECT DISTINCT ON (project_id) project_id,
                  jsonb_build_object('operationId', id, 'beganPosition', position) AS it
             FROM began JOIN recorded USING (project_id, id) ORDER BY project_id, position DESC) AS newest
    WHERE thing = 'project' AND thing_state.id = newest.project_id`,
  `UPDATE api.thing_state SET state = jsonb_set(state, '{operations}', open.operations)
     FROM (SELECT thing_state.id, jsonb_object_agg(known.key, known.value - 'ofDamaged'
                    || jsonb_build_object('requestedPosition', operation.position)
                    || CASE WHEN EXISTS (SELECT FROM api.backup
                                          WHERE project_id = thing_state.id AND operation_id = known.key)
                            THEN '{"hasMade": true}'::jsonb ELSE '{}' END) AS operations
             FROM api.thing_state CROSS JOIN jsonb_each(state -> 'operations') AS known
             JOIN api.operation ON operation.id = known.key
            WHERE thing = 'project' GROUP BY thing_state.id) AS open
    WHERE thing_state.thing = 'project' AND thing_state.id = open.id`,
  `UPDATE api.thing_state SET state = state - 'backups' WHERE thing = 'project'`,
];

const DOWN = [
  `UPDATE api.thing_state SET state = state - 'newest' || jsonb_build_object('backups', coalesce(
       (SELECT jsonb_object_agg(id, jsonb_build_object('operationId', operation_id, 'partialBecause', partial_because,
                 'beganPosition', began_position, 'recordedPosition', position)
               || CASE WHEN maybe_deleted_by IS NULL THEN '{}' ELSE jsonb_build_object('maybeDeletedBy', maybe_deleted_by) END
               || CASE WHEN unplaced THEN '{"unplaced": true}'::jsonb ELSE '{}' END
               || CASE WHEN damaged_position IS NULL THEN '{}' ELSE '{"damaged": true}'::jsonb END)
          FROM api.backup WHERE project_id = thing_state.id), '{}'))
    WHERE thing = 'project'`,
  `UPDATE api.thing_state SET state = jsonb_set(state, '{operations}', open.operations)
     FROM (SELECT thing_state.id, jsonb_object_agg(known.key, known.value - 'requestedPosition' - 'hasMade'
                    || CASE WHEN EXISTS (SELECT FROM api.backup WHERE project_id = thing_state.id
                              AND backup.id = known.value #>> '{params,backupId}'
                              AND damaged_position < (known.value ->> 'requestedPosition')::bigint)
                            AND known.value ->> 'kind' IN ('restore', 'start')
                       THEN '{"ofDamaged": true}'::jsonb ELSE '{}' END) AS operations
             FROM api.thing_state CROSS JOIN jsonb_each(state -> 'operations') AS known
            WHERE thing = 'project' GROUP BY thing_state.id) AS open
    WHERE thing_state.thing = 'project' AND thing_state.id = open.id`,
  'DROP INDEX api.project_damaged',
  `ALTER TABLE api.project DROP backups, DROP damaged_backups, DROP cover_lost,
     ADD in_doubt jsonb NOT NULL DEFAULT '[]', ADD damaged_backups jsonb NOT NULL DEFAULT '[]'`,
  `UPDATE api.project SET in_doubt = lists.doubts, damaged_backups = lists.damaged
     FROM (SELECT project_id, coalesce(jsonb_agg(id) FILTER (WHERE maybe_deleted_by IS NOT NULL), '[]') AS doubts,
                  coalesce(jsonb_agg(id) FILTER (WHERE damaged_position IS NOT NULL), '[]') AS damaged
             FROM api.backup GROUP BY 1) AS lists WHERE project.id = lists.project_id`,
  'ALTER TABLE api.project ALTER in_doubt DROP DEFAULT, ALTER damaged_backups DROP DEFAULT',
  `CREATE INDEX project_damaged ON api.project (id) WHERE damage IS NOT NULL OR damaged_backups <> '[]'`,
  `DROP INDEX api.backup_restorable, api.backup_good, api.backup_unplaced, api.backup_doubt, api.backup_damaged,
     api.backup_whole`,
  'ALTER TABLE api.operation DROP began_position',
  `ALTER TABLE api.backup DROP operation_id, DROP partial_because, DROP restorable, DROP maybe_deleted_by,
     DROP unplaced, DROP damaged_position`,
];
