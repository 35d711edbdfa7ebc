import type { MigrationInterface, QueryRunner } from 'typeorm';
import { madeAnew } from './made-anew.js';

/**
 * What falls due, and when, has a table of its own. The rows of before lack what it is made from: they go, and the
 * projection reads the log from its beginning. A copy of the scheduler from before cannot write such rows, and does not
 * get on.
 */
export class DueWork1796200000000 implements MigrationInterface {
  readonly name = 'DueWork1796200000000';

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
  `ALTER TABLE scheduler.project ADD COLUMN kept_position bigint NOT NULL, ADD COLUMN kept_at timestamptz NOT NULL,
     ADD COLUMN in_vain jsonb NOT NULL`,
  // Lanes are sorted as the code sorts them.
  `CREATE TABLE scheduler.due (
     thing_id text NOT NULL, kind text NOT NULL, subject text NOT NULL, lane text COLLATE "C" NOT NULL CHECK (lane <> ''),
     key text NOT NULL, due_at timestamptz NOT NULL, held_until timestamptz, plausible_from timestamptz,
     not_before timestamptz, attempts int NOT NULL DEFAULT 0,
     ready_at timestamptz NOT NULL GENERATED ALWAYS AS (greatest(due_at, not_before)) STORED,
     PRIMARY KEY (thing_id, kind, subject))`,
  'CREATE INDEX due_ready ON scheduler.due (kind, ready_at, lane)',
  'CREATE INDEX due_lane ON scheduler.due (kind, lane, ready_at)',
  'CREATE INDEX due_plausible ON scheduler.due (kind, plausible_from) WHERE plausible_from IS NOT NULL',
  `DROP INDEX scheduler.project_unprotected, scheduler.project_retention, scheduler.project_orphans,
     scheduler.project_doubts, scheduler.project_verified, scheduler.operation_queue, scheduler.operation_whole,
     scheduler.operation_cancel, scheduler.operation_open`,
  'CREATE INDEX operation_open ON scheduler.operation (host_id, kind) WHERE NOT ended',
];

const BACK = [
  'DROP TABLE scheduler.due',
  'ALTER TABLE scheduler.project DROP COLUMN kept_position, DROP COLUMN kept_at, DROP COLUMN in_vain',
  'DROP INDEX scheduler.operation_open',
  'CREATE INDEX operation_open ON scheduler.operation (host_id) WHERE NOT ended',
  'CREATE INDEX operation_queue ON scheduler.operation (queue_until) WHERE NOT ended AND began_position IS NULL',
  'CREATE INDEX operation_whole ON scheduler.operation (whole_until) WHERE NOT ended',
  `CREATE INDEX operation_cancel ON scheduler.operation (cancel_requested_at)
     WHERE NOT ended AND cancel_requested_at IS NOT NULL`,
  `CREATE INDEX project_unprotected ON scheduler.project (id)
     WHERE provisioned_at IS NOT NULL AND coalesce(freshness, 'never') IN ('stale', 'never')`,
  'CREATE INDEX project_retention ON scheduler.project (id) WHERE retention IS NOT NULL',
  'CREATE INDEX project_orphans ON scheduler.project (orphans_since) WHERE orphans_since IS NOT NULL',
  'CREATE INDEX project_doubts ON scheduler.project (doubts_since) WHERE doubts_since IS NOT NULL',
  'CREATE INDEX project_verified ON scheduler.project (verified_at) WHERE verified_at IS NOT NULL',
];
