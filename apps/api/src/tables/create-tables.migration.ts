import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The tables that are made from the log, and the journal of the log itself. */
export class CreateTables1763800000000 implements MigrationInterface {
  readonly name = 'CreateTables1763800000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP SCHEMA api CASCADE');
  }
}

const STATEMENTS = [
  'CREATE SCHEMA IF NOT EXISTS api',
  `CREATE TABLE api.thing_state (
     thing text NOT NULL, id text NOT NULL, position bigint NOT NULL, state jsonb NOT NULL, PRIMARY KEY (thing, id))`,
  `CREATE TABLE api.journal (
     position bigint PRIMARY KEY, subject text NOT NULL, headers jsonb NOT NULL, bytes bytea NOT NULL,
     stored_at text NOT NULL)`,
  `CREATE TABLE api.region (
     id text PRIMARY KEY, name text NOT NULL, latitude float8 NOT NULL, longitude float8 NOT NULL,
     position bigint NOT NULL)`,
  `CREATE TABLE api.bucket (
     id text PRIMARY KEY, region_id text NOT NULL, endpoint text NOT NULL, s3_region text NOT NULL,
     bucket text NOT NULL, position bigint NOT NULL)`,
  `CREATE TABLE api.host (
     id text PRIMARY KEY, name text NOT NULL, region_id text NOT NULL, created_at text NOT NULL,
     position bigint NOT NULL)`,
  `CREATE TABLE api.api_key (
     id text PRIMARY KEY, name text NOT NULL, token_hash text NOT NULL, scopes jsonb NOT NULL, expires_at text,
     revoked_at text, created_at text NOT NULL, position bigint NOT NULL)`,
  'CREATE UNIQUE INDEX api_key_token_hash ON api.api_key (token_hash)',
  `CREATE TABLE api.project (
     id text PRIMARY KEY, owner_id text NOT NULL, title text, description text, region_id text NOT NULL,
     bucket_id text NOT NULL, host_id text NOT NULL, generation int NOT NULL, backup_interval_minutes int NOT NULL,
     provisioned boolean NOT NULL, running boolean NOT NULL, freshness text NOT NULL, stale_since text,
     freshness_reason text NOT NULL, covered_by text, freshness_at text, created_at text NOT NULL,
     provision_operation_id text, position bigint NOT NULL)`,
  'CREATE INDEX project_host ON api.project (host_id)',
  'CREATE INDEX project_position ON api.project (position)',
  `CREATE TABLE api.backup (
     project_id text NOT NULL, id text NOT NULL, began_at text NOT NULL, record jsonb NOT NULL,
     position bigint NOT NULL, PRIMARY KEY (project_id, id))`,
  'CREATE INDEX backup_project_position ON api.backup (project_id, position)',
  `CREATE TABLE api.operation (
     id text PRIMARY KEY, project_id text NOT NULL, host_id text NOT NULL, generation int NOT NULL, kind text NOT NULL,
     state text NOT NULL, attempts int NOT NULL, requested_by text NOT NULL, request_hash text, params jsonb NOT NULL,
     result jsonb, code text, reason text, requested_at text NOT NULL, began_at text, ended_at text,
     position bigint NOT NULL, changed_position bigint NOT NULL)`,
  'CREATE INDEX operation_project_position ON api.operation (project_id, position)',
  'CREATE INDEX operation_host_position ON api.operation (host_id, position)',
  'CREATE INDEX operation_position ON api.operation (position)',
];
