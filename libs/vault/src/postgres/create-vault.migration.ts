import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The schema that no rebuild touches. It may be there before the record of migrations is (whoever drops and rebuilds
 * the other schemas may drop that record with them), so this takes what it finds.
 */
export class CreateVault1760000000000 implements MigrationInterface {
  readonly name = 'CreateVault1760000000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('CREATE SCHEMA IF NOT EXISTS vault');
    await queryRunner.query(`
      CREATE TABLE IF NOT EXISTS vault.project_keys (
        project_id text PRIMARY KEY,
        wrapped text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        copied_at timestamptz,
        erased_at timestamptz
      )`);
    await queryRunner.query(`
      CREATE TABLE IF NOT EXISTS vault.bucket_credentials (
        bucket_id text PRIMARY KEY,
        wrapped text NOT NULL,
        changed_at timestamptz NOT NULL
      )`);
  }

  /** Keys are not undone. */
  async down(): Promise<void> {
    return await Promise.reject(
      new Error('The vault is never removed by a migration: it holds the only keys of backups.'),
    );
  }
}
