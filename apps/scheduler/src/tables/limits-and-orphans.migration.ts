import type { MigrationInterface, QueryRunner } from 'typeorm';
import { madeAnew } from './made-anew.js';

/**
 * What time limits and the search for orphans need. The rows of before lack it: they go, and the projection reads the
 * log from its beginning. A copy of the scheduler from before cannot write such rows, and does not get on.
 */
export class LimitsAndOrphans1795400000000 implements MigrationInterface {
  readonly name = 'LimitsAndOrphans1795400000000';

  async up(runner: QueryRunner): Promise<void> {
    await madeAnew(runner, STATEMENTS);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX scheduler.operation_queue, scheduler.operation_whole, scheduler.operation_cancel');
    await runner.query(
      `ALTER TABLE scheduler.operation DROP COLUMN queue_until, DROP COLUMN whole_until,
         DROP COLUMN cancel_requested_at, DROP COLUMN tidies_before`,
    );
    await runner.query('ALTER TABLE scheduler.project DROP COLUMN orphans_since, DROP COLUMN orphans_until');
  }
}

const STATEMENTS = [
  'DELETE FROM scheduler.project',
  'DELETE FROM scheduler.backup',
  'DELETE FROM scheduler.operation',
  `ALTER TABLE scheduler.operation ADD COLUMN queue_until timestamptz NOT NULL, ADD COLUMN whole_until timestamptz NOT NULL,
     ADD COLUMN cancel_requested_at timestamptz, ADD COLUMN tidies_before timestamptz`,
  'CREATE INDEX operation_queue ON scheduler.operation (queue_until) WHERE NOT ended AND began_position IS NULL',
  'CREATE INDEX operation_whole ON scheduler.operation (whole_until) WHERE NOT ended',
  `CREATE INDEX operation_cancel ON scheduler.operation (cancel_requested_at)
     WHERE NOT ended AND cancel_requested_at IS NOT NULL`,
  'ALTER TABLE scheduler.project ADD COLUMN orphans_since timestamptz, ADD COLUMN orphans_until timestamptz',
  'CREATE INDEX project_orphans ON scheduler.project (orphans_since) WHERE orphans_since IS NOT NULL',
];
