import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The tables that freshness and schedules are made from. */
export class CreateTables1763820000000 implements MigrationInterface {
  readonly name = 'CreateTables1763820000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP SCHEMA scheduler CASCADE');
  }
}

const STATEMENTS = [
  'CREATE SCHEMA IF NOT EXISTS scheduler',
  `CREATE TABLE scheduler.project (
     id text PRIMARY KEY, host_id text NOT NULL, generation int NOT NULL, backup_interval_minutes int NOT NULL,
     created_at timestamptz NOT NULL, provisioned_at timestamptz, running boolean NOT NULL,
     outside_changes jsonb NOT NULL, freshness text, stale_since timestamptz, freshness_reason text, covered_by text,
     stated_epoch text, stated_at timestamptz, last_backup_operation_id text, last_backup_ended_at timestamptz,
     last_backup_outcome text, failed_backups int NOT NULL, position bigint NOT NULL)`,
  'CREATE INDEX project_position ON scheduler.project (position)',
  'CREATE INDEX project_host ON scheduler.project (host_id, id)',
  `CREATE INDEX project_unprotected ON scheduler.project (id)
     WHERE provisioned_at IS NOT NULL AND coalesce(freshness, 'never') IN ('stale', 'never')`,
  `CREATE TABLE scheduler.backup (
     project_id text NOT NULL, id text NOT NULL, began_at timestamptz NOT NULL, began_position bigint NOT NULL,
     counter jsonb NOT NULL, partial_because jsonb NOT NULL, PRIMARY KEY (project_id, id))`,
  'CREATE INDEX backup_newest ON scheduler.backup (project_id, began_position DESC, began_at DESC)',
  `CREATE TABLE scheduler.operation (
     id text PRIMARY KEY, project_id text NOT NULL, host_id text NOT NULL, kind text NOT NULL,
     requested_position bigint NOT NULL, began_position bigint, ended boolean NOT NULL)`,
  'CREATE INDEX operation_project ON scheduler.operation (project_id)',
  'CREATE INDEX operation_open ON scheduler.operation (host_id) WHERE NOT ended',
];
