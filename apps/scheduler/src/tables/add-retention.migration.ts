import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which backups a project keeps. Earlier events say nothing of it: all. */
export class AddRetention1795500000000 implements MigrationInterface {
  readonly name = 'AddRetention1795500000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE scheduler.project ADD retention jsonb');
    await runner.query('CREATE INDEX project_retention ON scheduler.project (id) WHERE retention IS NOT NULL');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE scheduler.project DROP retention');
  }
}
