import type { QueryRunner } from 'typeorm';

/** Changes tables whose rows of before lack something: the projection reads the log from its beginning then. */
export async function madeAnew(runner: QueryRunner, statements: readonly string[]): Promise<void> {
  for (const statement of statements) await runner.query(statement);
  // The library makes this table when a projector starts for the first time.
  if (await runner.hasTable('scheduler.projection_position')) {
    await runner.query(`UPDATE scheduler.projection_position SET position = 0, hash = ''`);
  }
}
