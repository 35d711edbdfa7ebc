import type { MigrationInterface, QueryRunner } from 'typeorm';

/** So that counting what is damaged costs nothing where nothing is. */
export class IndexDamage1764500000000 implements MigrationInterface {
  readonly name = 'IndexDamage1764500000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX project_damaged ON api.project (id) WHERE damage IS NOT NULL OR damaged_backups <> '[]'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX api.project_damaged');
  }
}
