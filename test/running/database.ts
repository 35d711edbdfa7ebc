import pg from 'pg';
import { until } from '@buckets/patience';
import { logPosition } from './log.js';
import type { Product } from './product.js';

/** Every row of the tables in some schemas, by table, in an order of their own. */
export async function rowsIn(product: Product, schemas: readonly string[]): Promise<Record<string, string[]>> {
  return withDatabase(product.stack.access.postgresUrl, async (database) => {
    const { rows: tables } = await database.query<{ name: string }>(
      `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
       WHERE table_schema = ANY($1) AND table_type = 'BASE TABLE'`,
      [schemas],
    );
    const found: Record<string, string[]> = {};
    for (const { name } of tables) {
      const { rows } = await database.query<{ text: string }>(`SELECT t::text AS text FROM ${name} t ORDER BY 1`);
      found[name] = rows.map(({ text }) => text);
    }
    return found;
  });
}

/** How far in the log the tables of a schema are. */
export async function positionIn(product: Product, schema: 'api' | 'scheduler'): Promise<number> {
  return withDatabase(product.stack.access.postgresUrl, async (database) => {
    const { rows } = await database.query<{ position: string }>(`SELECT position FROM ${schema}.projection_position`);
    return Number(rows[0]?.position);
  });
}

/**
 * Stops the scheduler, as what it states by itself would move what is compared, in a moment in which all tables have all of
 * the log.
 */
export async function stopSchedulerOnceStill(product: Product): Promise<void> {
  const isStill = async () => {
    const [end, ...positions] = await Promise.all([
      logPosition(product),
      positionIn(product, 'api'),
      positionIn(product, 'scheduler'),
    ]);
    return positions.every((position) => position === end);
  };
  await until(
    async () => {
      if (!(await isStill())) return false;
      await product.stack.kill('scheduler', 'SIGTERM');
      if (await isStill()) return true;
      await product.stack.restart('scheduler');
      return false;
    },
    { what: 'tables that have all of the log', withinMs: 60_000 },
  );
}

/** Loses the database with all that is in it; an empty one takes its place. */
export async function loseDatabase(product: Product): Promise<void> {
  const url = new URL(product.stack.access.postgresUrl);
  const name = url.pathname.slice(1);
  url.pathname = '/postgres';
  await withDatabase(url.href, async (database) => {
    await database.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await database.query(`CREATE DATABASE ${name}`);
  });
}

async function withDatabase<R>(url: string, work: (database: pg.Client) => Promise<R>): Promise<R> {
  const database = new pg.Client({ connectionString: url });
  await database.connect();
  try {
    return await work(database);
  } finally {
    await database.end();
  }
}
