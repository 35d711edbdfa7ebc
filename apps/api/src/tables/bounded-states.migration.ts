import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What is known of each backup goes from the folded state of its project, which grew with it, into the backup's row. What
 * the states did not hold is in the journal, which is read once, in pieces; a rebuild gives the same. All of it is one
 * transaction: a copy of before that still runs must not write between its parts.
 */
export class BoundedStates1764650000000 implements MigrationInterface {
  readonly name = 'BoundedStates1764650000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [...NEW_COLUMNS, ...TOLD_TABLES]) await runner.query(statement);
    const [{ first, last }] = (await runner.query(JOURNAL_ENDS)) as [{ first: number; last: number }];
    for (let from = first; from <= last; from += PIECE) await runner.query(READ_JOURNAL, [from, from + PIECE]);
    for (const statement of UP) await runner.query(statement);
    for (const table of ['began', 'recorded', 'said']) await runner.query(`DROP TABLE told_${table}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

/** First of all: nobody writes what the journal is read for from then on. */
const NEW_COLUMNS = [
  `ALTER TABLE api.backup ADD operation_id text, ADD partial_because jsonb, ADD restorable boolean,
     ADD maybe_deleted_by text, ADD unplaced boolean NOT NULL DEFAULT false, ADD damaged_position bigint`,
  'ALTER TABLE api.operation ADD began_position bigint',
];

/** What the journal says, of this session only: each operation's first beginning, whose backup was recorded, what was damaged. */
const TOLD_TABLES = [
  'CREATE TEMPORARY TABLE told_began (project_id text, id text, position bigint, PRIMARY KEY (project_id, id))',
  'CREATE TEMPORARY TABLE told_recorded (project_id text, id text, PRIMARY KEY (project_id, id))',
  `CREATE TEMPORARY TABLE told_said (project_id text, id text, position bigint, is_damaged boolean,
     PRIMARY KEY (project_id, id, position))`,
];

const JOURNAL_ENDS = `SELECT coalesce(min(position), 1)::float8 AS first, coalesce(max(position), 0)::float8 AS last FROM api.journal`;
/** Positions of the journal that one statement reads. It is read once. */
const PIECE = 10_000;
const READ_JOURNAL = `
  WITH events AS MATERIALIZED (
    SELECT position, split_part(subject, '.', 4) AS project_id, split_part(subject, '.', 5) AS type,
           convert_from(bytes, 'UTF8')::jsonb -> 'data' AS data
      FROM api.journal
     WHERE position >= $1 AND position < $2
       AND (subject LIKE 'buckets.event.project.%-began' OR subject LIKE 'buckets.event.project.%.backup-recorded'
         OR subject LIKE 'buckets.event.project.%.backups-damaged'
         OR subject LIKE 'buckets.event.project.%.backups-healed')),
  began AS (
    INSERT INTO told_began
    SELECT project_id, data ->> 'operationId', min(position) FROM events WHERE type LIKE '%-began' GROUP BY 1, 2
        ON CONFLICT DO NOTHING),
  recorded AS (
    INSERT INTO told_recorded
    SELECT DISTINCT project_id, data ->> 'operationId' FROM events WHERE type = 'backup-recorded'
        ON CONFLICT DO NOTHING)
  INSERT INTO told_said
  SELECT DISTINCT project_id, id, position, type = 'backups-damaged'
    FROM events CROSS JOIN LATERAL jsonb_array_elements_text(data -> 'backupIds') AS id
   WHERE type IN ('backups-damaged', 'backups-healed')`;

const UP = [
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
  // Where it was said to be damaged since it was last whole.
  `UPDATE api.backup SET damaged_position = since.position
     FROM (SELECT project_id, id, min(position) AS position FROM told_said AS said
            WHERE is_damaged AND NOT EXISTS (SELECT FROM told_said AS later WHERE later.project_id = said.project_id
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

  `UPDATE api.operation SET began_position = began.position FROM told_began AS began
    WHERE operation.id = began.id AND operation.project_id = began.project_id`,

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
  `UPDATE api.thing_state SET state = jsonb_set(state, '{newest}', newest.it)
     FROM (SELECT DISTINCT ON (project_id) project_id,
                  jsonb_build_object('operationId', id, 'beganPosition', position) AS it
             FROM told_began JOIN told_recorded USING (project_id, id) ORDER BY project_id, position DESC) AS newest
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
