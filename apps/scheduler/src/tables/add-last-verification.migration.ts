import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Where the last verification ended. Of those that ended before, nobody knows: as if there had been none. */
export class AddLastVerification1795900000000 implements MigrationInterface {
  readonly name = 'AddLastVerification1795900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE scheduler.project ADD last_verify_position bigint');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE scheduler.project DROP last_verify_position');
  }
}
