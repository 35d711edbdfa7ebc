import type { MigrationInterface, QueryRunner } from 'typeorm';
import { madeAnew } from './made-anew.js';

/**
 * What falls due may be counted by the leader's clock, a retention goes by sorts and days, and how many projects are how
 * fresh is kept. The rows of before lack what it is made from: they go, and the projection reads the log from its
 * beginning. A copy of the scheduler from before cannot write what is due, and does not get on.
 */
export class DueWorkAnew1796300000000 implements MigrationInterface {
  readonly name = 'DueWorkAnew1796300000000';

  async up(runner: QueryRunner): Promise<void> {
    await madeAnew(runner, STATEMENTS);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of BACK) await runner.query(statement);
  }
}

const STATEMENTS = [
  'DELETE FROM scheduler.project',
  'DELETE FROM scheduler.backup',
  'DELETE FROM scheduler.operation',
  // Some versions had a part of this under the name of the migration before.
  'DROP TABLE IF EXISTS scheduler.due, scheduler.freshness_count',
  'ALTER TABLE scheduler.backup DROP COLUMN IF EXISTS sort, DROP COLUMN IF EXISTS day',
  // What a retention goes by: see work/retention-tables.ts.
  `ALTER TABLE scheduler.backup
     ADD COLUMN sort text NOT NULL GENERATED ALWAYS AS (
       CASE WHEN damaged THEN 'damaged' WHEN partial_because ?| '{empty,shrunken}' THEN 'flagged' ELSE 'good' END) STORED,
     ADD COLUMN day int NOT NULL GENERATED ALWAYS AS (
       floor(extract(epoch FROM began_at AT TIME ZONE 'UTC') / 86400)) STORED`,
  `CREATE INDEX backup_sort ON scheduler.backup (project_id, sort, began_position, recorded_position) WHERE NOT in_doubt`,
  `CREATE INDEX backup_day ON scheduler.backup (project_id, sort, day, began_position, recorded_position)
     WHERE NOT in_doubt`,
  // Lanes are sorted as the code sorts them.
  `CREATE TABLE scheduler.due (
     thing_id text NOT NULL, kind text NOT NULL, subject text NOT NULL, lane text COLLATE "C" NOT NULL CHECK (lane <> ''),
     key text NOT NULL, due_at timestamptz NOT NULL, held_until timestamptz, plausible_from timestamptz,
     not_before timestamptz, attempts int NOT NULL, counted_from timestamptz,
     ready_at timestamptz NOT NULL GENERATED ALWAYS AS (greatest(not_before, coalesce(
       (counted_from AT TIME ZONE 'UTC' + (due_at - plausible_from) / 2) AT TIME ZONE 'UTC', due_at))) STORED,
     PRIMARY KEY (thing_id, kind, subject))`,
  'CREATE INDEX due_ready ON scheduler.due (kind, ready_at, lane)',
  'CREATE INDEX due_lane ON scheduler.due (kind, lane, ready_at)',
  // What a leader's clock may show to be wrong: see due/due-tables.ts.
  `CREATE INDEX due_plausible ON scheduler.due (kind, (coalesce(counted_from, plausible_from)))
     WHERE plausible_from IS NOT NULL`,
  'CREATE INDEX due_counted ON scheduler.due (kind, plausible_from) WHERE counted_from IS NOT NULL',
  `CREATE INDEX due_put_off ON scheduler.due (kind, not_before) WHERE not_before < 'infinity'`,
  'CREATE TABLE scheduler.freshness_count (freshness text PRIMARY KEY, projects bigint NOT NULL)',
];

const BACK = [
  'DROP TABLE scheduler.freshness_count',
  // Their indexes go with them.
  'ALTER TABLE scheduler.backup DROP COLUMN sort, DROP COLUMN day',
  'DROP INDEX scheduler.due_put_off',
  'ALTER TABLE scheduler.due DROP COLUMN ready_at, DROP COLUMN counted_from, ALTER attempts SET DEFAULT 0',
  `ALTER TABLE scheduler.due
     ADD COLUMN ready_at timestamptz NOT NULL GENERATED ALWAYS AS (greatest(due_at, not_before)) STORED`,
  'CREATE INDEX due_ready ON scheduler.due (kind, ready_at, lane)',
  'CREATE INDEX due_lane ON scheduler.due (kind, lane, ready_at)',
  'CREATE INDEX due_plausible ON scheduler.due (kind, plausible_from) WHERE plausible_from IS NOT NULL',
];
