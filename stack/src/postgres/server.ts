import { execFile } from 'node:child_process';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import type { Part } from '../processes/supervised.js';
import { postgresPrograms } from './programs.js';
import { runPostgresAs, type RunAs } from './run-as.js';

export interface PostgresServerOptions {
  readonly folder: string;
  readonly port: number;
  readonly password: string;
}

const USER = 'buckets';
const DATABASE = 'buckets';

export function postgresUrl({
  host = '127.0.0.1',
  port,
  password,
}: {
  host?: string;
  port: number;
  password: string;
}): string {
  return `postgres://${USER}:${password}@${host}:${port}/${DATABASE}`;
}

/** A PostgreSQL server on loopback, with the database `buckets` in it. */
export function postgresServer(options: PostgresServerOptions): Part {
  const { folder, port } = options;
  return {
    name: 'postgres',
    command: async () => {
      const { initdb, postgres } = await postgresPrograms();
      const runAs = runPostgresAs(folder, postgres);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      runAs.own(folder);
      const data = join(folder, 'data');
      if (!(await exists(data))) await initialise(data, initdb, options.password, runAs);
      // No socket file: its path may be too long, and loopback does.
      const settings = {
        listen_addresses: '127.0.0.1',
        port,
        unix_socket_directories: '',
        log_min_messages: 'warning',
      };
      const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
      return runAs.wrap({ file: postgres, args: ['-D', data, ...flags], cwd: '/', env: environment() });
    },
    ready: () => hasDatabase(options),
    // That it is still starting is the answer to our own asking.
    worthSeeing: (line) => /(WARNING|ERROR|FATAL|PANIC): /.test(line) && !line.includes('is starting up'),
    // SIGINT: end the sessions, write all, stop. (SIGTERM would wait for the clients to leave.)
    stopWith: 'SIGINT',
  };
}

/** Made beside its place and moved there, so that a cut leaves nothing half made. */
async function initialise(data: string, initdb: string, password: string, runAs: RunAs): Promise<void> {
  const unfinished = `${data}.unfinished`;
  const passwordFile = join(dirname(data), 'initial-password');
  await rm(unfinished, { recursive: true, force: true });
  try {
    await writeFile(passwordFile, password, { mode: 0o600 });
    runAs.own(passwordFile);
    const { file, args, user, env } = runAs.wrap({
      file: initdb,
      args: [
        `--pgdata=${unfinished}`,
        `--username=${USER}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
      ],
      env: environment(),
    });
    await promisify(execFile)(file, args, { cwd: '/', env, ...user });
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(unfinished, data);
}

async function hasDatabase({ port, password }: PostgresServerOptions): Promise<boolean> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: USER,
    password,
    database: 'postgres',
    connectionTimeoutMillis: 1_000,
  });
  client.on('error', () => undefined); // A server that goes away is asked again.
  try {
    await client.connect();
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
    return true;
  } finally {
    await client.end();
  }
}

function environment(): Record<string, string | undefined> {
  return { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}
