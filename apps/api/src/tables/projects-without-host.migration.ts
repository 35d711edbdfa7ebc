import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A project that was found in its bucket has no host until it is assigned to one. */
export class ProjectsWithoutHost1764400000000 implements MigrationInterface {
  readonly name = 'ProjectsWithoutHost1764400000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE api.project ALTER host_id DROP NOT NULL');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE api.project ALTER host_id SET NOT NULL');
  }
}
