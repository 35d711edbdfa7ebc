import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is known of data that were brought back, and until when a backup held all. Of before, nobody knows: null is careful. */
export class AddHeldUntil1795950000000 implements MigrationInterface {
  readonly name = 'AddHeldUntil1795950000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE scheduler.project ADD restored_position bigint, ADD held_until jsonb');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE scheduler.project DROP restored_position, DROP held_until');
  }
}
