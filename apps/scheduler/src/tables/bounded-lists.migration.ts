import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Whether a backup is damaged or in doubt goes from lists of its project, which grew with its history, into its row. The rows
 * of before are not told: the next migration has all of them made anew.
 */
export class BoundedLists1796100000000 implements MigrationInterface {
  readonly name = 'BoundedLists1796100000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  `ALTER TABLE scheduler.backup ADD COLUMN in_doubt boolean NOT NULL DEFAULT false,
     ADD COLUMN damaged boolean NOT NULL DEFAULT false`,
  'ALTER TABLE scheduler.backup ALTER in_doubt DROP DEFAULT, ALTER damaged DROP DEFAULT',
  // A backup that the schedule, or a start, may go by.
  `CREATE INDEX backup_certain ON scheduler.backup (project_id, began_position DESC, recorded_position DESC)
     WHERE NOT in_doubt AND NOT damaged`,
  `ALTER TABLE scheduler.project ALTER in_doubt TYPE int USING jsonb_array_length(in_doubt), DROP COLUMN damaged`,
];

const DOWN = [
  `ALTER TABLE scheduler.project ADD COLUMN damaged jsonb NOT NULL DEFAULT '[]', DROP COLUMN in_doubt`,
  `ALTER TABLE scheduler.project ADD COLUMN in_doubt jsonb NOT NULL DEFAULT '[]'`,
  `UPDATE scheduler.project SET in_doubt = lists.doubts, damaged = lists.damaged
     FROM (SELECT project_id, coalesce(jsonb_agg(id) FILTER (WHERE in_doubt), '[]') AS doubts,
                  coalesce(jsonb_agg(id) FILTER (WHERE damaged), '[]') AS damaged
             FROM scheduler.backup GROUP BY 1) AS lists WHERE project.id = lists.project_id`,
  'ALTER TABLE scheduler.project ALTER damaged DROP DEFAULT, ALTER in_doubt DROP DEFAULT',
  'DROP INDEX scheduler.backup_certain',
  'ALTER TABLE scheduler.backup DROP COLUMN in_doubt, DROP COLUMN damaged',
];
