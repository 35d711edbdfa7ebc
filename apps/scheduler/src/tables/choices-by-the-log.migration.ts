import type { MigrationInterface, QueryRunner } from 'typeorm';
import { madeAnew } from './made-anew.js';

/**
 * What choices among backups need that go by the log alone. The rows of before lack it: they go, and the projection
 * reads the log from its beginning. A copy of the scheduler from before cannot write such rows, and does not get on.
 */
export class ChoicesByTheLog1795600000000 implements MigrationInterface {
  readonly name = 'ChoicesByTheLog1795600000000';

  async up(runner: QueryRunner): Promise<void> {
    await madeAnew(runner, STATEMENTS);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX scheduler.backup_newest');
    await runner.query('ALTER TABLE scheduler.backup DROP COLUMN recorded_position');
    await runner.query(
      'CREATE INDEX backup_newest ON scheduler.backup (project_id, began_position DESC, began_at DESC)',
    );
    await runner.query('ALTER TABLE scheduler.operation DROP COLUMN began_at, DROP COLUMN forgets');
    await runner.query('ALTER TABLE scheduler.project DROP COLUMN in_doubt, DROP COLUMN doubts_since');
  }
}

const STATEMENTS = [
  'DELETE FROM scheduler.project',
  'DELETE FROM scheduler.backup',
  'DELETE FROM scheduler.operation',
  'ALTER TABLE scheduler.backup ADD COLUMN recorded_position bigint NOT NULL',
  'DROP INDEX scheduler.backup_newest',
  'CREATE INDEX backup_newest ON scheduler.backup (project_id, began_position DESC, recorded_position DESC)',
  'ALTER TABLE scheduler.operation ADD COLUMN began_at timestamptz, ADD COLUMN forgets text',
  'ALTER TABLE scheduler.project ADD COLUMN in_doubt jsonb NOT NULL, ADD COLUMN doubts_since timestamptz',
  'CREATE INDEX project_doubts ON scheduler.project (doubts_since) WHERE doubts_since IS NOT NULL',
];
