import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which request an Idempotency-Key was used for. Not made from the log, and no loss when it is lost. */
export class CreateRequestKeys1763900000000 implements MigrationInterface {
  readonly name = 'CreateRequestKeys1763900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      'CREATE TABLE api.request_key (id text PRIMARY KEY, hash text NOT NULL, at timestamptz NOT NULL)',
    );
    await runner.query('CREATE INDEX request_key_at ON api.request_key (at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE api.request_key');
  }
}
