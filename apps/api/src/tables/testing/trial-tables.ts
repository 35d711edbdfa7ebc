import 'reflect-metadata';
import { afterAll, beforeAll } from '@jest/globals';
import type { LoggedEvent } from '@buckets/contracts';
import type { DataSource, MigrationInterface } from 'typeorm';
import { RealParts } from '../../../../../libs/log/src/testing/real-parts.js';
import { openDatabase } from '../../wiring/database.js';
import { TablesProjection } from '../tables-projection.js';

/**
 * The API's tables on a Postgres of their own, for the tests of a file; `patient` for statements that take as long as they
 * take.
 *
 * @returns what holds them, while these run
 */
export function trialTables({ patient = false } = {}): () => DataSource {
  let parts: RealParts;
  let data: DataSource;
  beforeAll(async () => {
    parts = await RealParts.start(['postgres']);
    data = await openDatabase(parts.infrastructure.postgresUrl, 4, { patient });
  });
  afterAll(async () => {
    await data?.destroy();
    await parts.stop();
  });
  return () => data;
}

/** Has the tables show events, and the journal keep them, in batches of these sizes, over and over. */
export async function project(
  data: DataSource,
  events: readonly LoggedEvent[],
  sizes: readonly number[] = [1_000],
): Promise<void> {
  for (let from = 0, turn = 0; from < events.length; turn++) {
    const some = events.slice(from, from + sizes[turn % sizes.length]!);
    from += some.length;
    const messages = some.map(({ thing, id, type, position, time, data: said }) => ({
      ...{ position, subject: `buckets.event.${thing}.${id}.${type}`, headers: {}, storedAt: time },
      bytes: Buffer.from(JSON.stringify({ data: said })),
    }));
    await data.transaction((rows) => new TablesProjection().apply({ messages, events: some }, rows));
  }
}

/** Undoes migrations, or does them, one after the other. */
export async function migrate(
  data: DataSource,
  direction: 'up' | 'down',
  migrations: readonly MigrationInterface[],
): Promise<void> {
  const runner = data.createQueryRunner();
  try {
    for (const migration of migrations) await migration[direction](runner);
  } finally {
    await runner.release();
  }
}

/** Events of projects become those of one of them. */
export function of<Event extends { id: string }>(id: string, events: readonly Event[]): Event[] {
  return events.map((each) => ({ ...each, id }));
}
