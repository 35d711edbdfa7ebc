import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who made each API key. The events of earlier ones say it: they stand in the journal where their rows say. */
export class AddKeyMakers1764800000000 implements MigrationInterface {
  readonly name = 'AddKeyMakers1764800000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE api.api_key ADD made_by text');
    await runner.query(
      `UPDATE api.api_key SET made_by = convert_from(event.bytes, 'UTF8')::jsonb #>> '{data,requestedBy}'
         FROM api.journal event WHERE event.position = api_key.position`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE api.api_key DROP made_by');
  }
}
