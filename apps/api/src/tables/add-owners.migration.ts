import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who may do what with a project, and API keys for one owner. Of the projects of before, the owner is known. */
export class AddOwners1764600000000 implements MigrationInterface {
  readonly name = 'AddOwners1764600000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE api.member');
    await runner.query('ALTER TABLE api.api_key DROP owner_id, DROP makers');
  }
}

const STATEMENTS = [
  `CREATE TABLE api.member (
     user_id text NOT NULL, project_id text NOT NULL, role text NOT NULL, position bigint NOT NULL,
     PRIMARY KEY (user_id, project_id))`,
  'CREATE INDEX member_project ON api.member (project_id, position)',
  `INSERT INTO api.member (user_id, project_id, role, position) SELECT owner_id, id, 'owner', position FROM api.project`,
  `ALTER TABLE api.api_key ADD owner_id text, ADD makers jsonb NOT NULL DEFAULT '[]'`,
  'ALTER TABLE api.api_key ALTER makers DROP DEFAULT',
];
