import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What operations are told of since they have limits and can be cancelled. Earlier events say none of it. */
export class AddLimitsAndCancel1764000000000 implements MigrationInterface {
  readonly name = 'AddLimitsAndCancel1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `ALTER TABLE api.operation ADD limits jsonb, ADD cancel_requested_at text, ADD cancel_hash text,
         ADD worker_id text, ADD previous_failure text, ADD left_behind jsonb`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      `ALTER TABLE api.operation DROP limits, DROP cancel_requested_at, DROP cancel_hash, DROP worker_id,
         DROP previous_failure, DROP left_behind`,
    );
  }
}
