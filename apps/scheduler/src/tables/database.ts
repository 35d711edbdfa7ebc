import { DataSource } from 'typeorm';
import { CreateTables1763820000000 } from './create-tables.migration.js';
import { SCHEDULER_ENTITIES } from './rows.js';

const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 30_000;
/** For when the server does not even say so. */
const QUERY_TIMEOUT_MS = 35_000;
/** Any number will do, so long as it is the same in every copy. */
const MIGRATION_LOCK = 7_240_114;

/** Connects, and brings the schema `scheduler` up to date; of several copies that start at once one does it. */
export async function openDatabase(url: string, connections: number): Promise<DataSource> {
  const data = new DataSource({
    type: 'postgres',
    url,
    applicationName: 'buckets-scheduler',
    entities: [...SCHEDULER_ENTITIES],
    migrations: [CreateTables1763820000000],
    migrationsTableName: 'buckets_scheduler_migrations',
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    extra: {
      max: connections,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    },
  });
  await data.initialize();
  const session = data.createQueryRunner();
  try {
    await session.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await data.runMigrations({ transaction: 'all' });
  } finally {
    await session.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]);
    await session.release();
  }
  return data;
}
