import type { MigrationInterface, QueryRunner } from 'typeorm';

/** So that a page of a list costs what is on it, whatever it is filtered by: owner, host, project, kind or state. */
export class ListsByIndex1764700000000 implements MigrationInterface {
  readonly name = 'ListsByIndex1764700000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const [name, on] of INDEXES) await runner.query(`CREATE INDEX ${name} ON api.${on}`);
    await runner.query('DROP INDEX api.project_host');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE INDEX project_host ON api.project (host_id)');
    for (const [name] of INDEXES) await runner.query(`DROP INDEX api.${name}`);
  }
}

const INDEXES = [
  ['project_owner_position', 'project (owner_id, position)'],
  ['project_host_position', 'project (host_id, position)'],
  // What a host asks for, page by page, when it begins.
  ['project_host_id', 'project (host_id, id)'],
  ['operation_state_position', 'operation (state, position)'],
  ['operation_kind_position', 'operation (kind, position)'],
  ['operation_host_state_position', 'operation (host_id, state, position)'],
  ['operation_project_state_position', 'operation (project_id, state, position)'],
] as const;
