import { setTimeout as pause } from 'node:timers/promises';
import { DataSource, type DataSourceOptions } from 'typeorm';

type PostgresOptions = Extract<DataSourceOptions, { type: 'postgres' }>;

export interface DatabaseOptions extends Pick<PostgresOptions, 'entities' | 'migrations' | 'migrationsTableName'> {
  /** `postgres://…`, with the password. */
  url: string;
  /** Shows up in `pg_stat_activity`. */
  name: string;
  /** At most. */
  connections: number;
  /** Any number will do, so long as it is the same in every copy and no other service's. */
  migrationLock: number;
  /** For work that takes as long as it takes, such as a rebuild: statements without a time limit. */
  patient?: boolean;
}

/** Milliseconds. Somebody waits for the answer: better a 503 within seconds than an answer some day. */
const CONNECT_MS = 3_000;
const STATEMENT_MS = 4_000;
/** A server that hangs ends no statement itself. */
const ANSWER_MS = 5_000;
const IDLE_TRANSACTION_MS = 15_000;
/** At its start nobody waits for an answer of the service yet. */
const START_WITHIN_MS = 60_000;
const MIGRATE_WITHIN_MS = 60_000;
const LOOK_AGAIN_MS = 200;

/** Connects, and brings the service's schemas up to date; of several copies that start at once one does it. */
export async function openDatabase(options: DatabaseOptions): Promise<DataSource> {
  await migrate(options);
  const data = new DataSource({
    ...common(options),
    extra: {
      max: options.connections,
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
      ...(options.patient
        ? {}
        : {
            statement_timeout: STATEMENT_MS,
            query_timeout: ANSWER_MS,
            idle_in_transaction_session_timeout: IDLE_TRANSACTION_MS,
          }),
    },
  });
  await connect(data);
  discardUnsettled((data.driver as unknown as { master: Pool }).master);
  return data;
}

/** With a connection of its own: a migration may take longer than any statement of the service. */
async function migrate(options: DatabaseOptions): Promise<void> {
  const data = new DataSource({ ...common(options), extra: { max: 2, connectionTimeoutMillis: CONNECT_MS } });
  await connect(data);
  const session = data.createQueryRunner();
  try {
    const deadline = performance.now() + MIGRATE_WITHIN_MS;
    const key = [options.migrationLock];
    const isMine = async () =>
      ((await session.query('SELECT pg_try_advisory_lock($1) AS mine', key)) as [{ mine: boolean }])[0].mine;
    while (!(await isMine())) {
      if (performance.now() > deadline)
        throw new Error('Another process has been migrating the database for too long.');
      await pause(LOOK_AGAIN_MS);
    }
    await data.runMigrations({ transaction: 'all' });
  } finally {
    // The lock goes with the session.
    await session.release();
    await data.destroy();
  }
}

/** A server that is busy takes connections late: at a start they are tried again. One that is not there is told at once. */
async function connect(data: DataSource): Promise<void> {
  const deadline = performance.now() + START_WITHIN_MS;
  while (!data.isInitialized) {
    try {
      await data.initialize();
    } catch (error) {
      const isLate = error instanceof Error && CONNECTED_TOO_LATE.has(error.message);
      if (!isLate || performance.now() > deadline) throw error;
    }
  }
}

/** As `pg` and its pool say it: neither gives a code. */
const CONNECTED_TOO_LATE: ReadonlySet<string> = new Set([
  'Connection terminated due to connection timeout',
  'timeout exceeded when trying to connect',
]);

function common({ url, name, entities, migrations, migrationsTableName }: DatabaseOptions): PostgresOptions {
  return {
    type: 'postgres',
    url,
    applicationName: name,
    ...(entities === undefined ? {} : { entities }),
    ...(migrations === undefined ? {} : { migrations }),
    ...(migrationsTableName === undefined ? {} : { migrationsTableName }),
  };
}

/**
 * A connection whose query was given up may still be in a transaction, and a rollback that was given up too is never
 * sent: whatever the next user of such a connection writes would never be committed, so it is not used again.
 */
function discardUnsettled(pool: Pool): void {
  pool.on('release', (_, client) => {
    if (client._txStatus !== 'I' || client._activeQuery !== null) void client.end();
  });
}

/** What node-postgres knows of a connection, though it tells by no public name. */
interface PooledClient {
  /** `I` for idle, `T` within a transaction, `E` within one that has failed. */
  _txStatus: string | null;
  _activeQuery: object | null;
  /** Ends it at once when a query is under way. The pool takes back none that is ending. */
  end(): Promise<void>;
}

interface Pool {
  on(event: 'release', hear: (error: unknown, client: PooledClient) => void): this;
}
