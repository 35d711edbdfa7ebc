import type { MigrationInterface, QueryRunner } from 'typeorm';
import { madeAnew } from './made-anew.js';

/**
 * Which backups are damaged, and when a repository was looked at. The rows of before lack it: they go, and the projection
 * reads the log from its beginning. A copy of the scheduler from before cannot write such rows, and does not get on.
 */
export class AddDamage1795700230000 implements MigrationInterface {
  readonly name = 'AddDamage1795700230000';

  async up(runner: QueryRunner): Promise<void> {
    await madeAnew(runner, STATEMENTS);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE scheduler.project DROP COLUMN damaged, DROP COLUMN verified_at');
  }
}

const STATEMENTS = [
  'DELETE FROM scheduler.project',
  'DELETE FROM scheduler.backup',
  'DELETE FROM scheduler.operation',
  'ALTER TABLE scheduler.project ADD COLUMN damaged jsonb NOT NULL, ADD COLUMN verified_at timestamptz',
  'CREATE INDEX project_verified ON scheduler.project (verified_at) WHERE verified_at IS NOT NULL',
];
