import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which backups a project keeps. Earlier events say nothing of it: all. */
export class AddRetention1764100000000 implements MigrationInterface {
  readonly name = 'AddRetention1764100000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE api.project ADD retention jsonb');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE api.project DROP retention');
  }
}
