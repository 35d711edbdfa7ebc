import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is fresh as of a look only. Earlier events say nothing of it. */
export class AddUnwatched1795700000000 implements MigrationInterface {
  readonly name = 'AddUnwatched1795700000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE scheduler.project ADD unwatched boolean NOT NULL DEFAULT false');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE scheduler.project DROP unwatched');
  }
}
