import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is damaged, which nobody knew of before. */
export class AddDamage1764300230000 implements MigrationInterface {
  readonly name = 'AddDamage1764300230000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE api.project ADD damaged_backups jsonb NOT NULL DEFAULT '[]', ADD damage jsonb`);
    await runner.query('ALTER TABLE api.project ALTER damaged_backups DROP DEFAULT');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE api.project DROP damaged_backups, DROP damage');
  }
}
