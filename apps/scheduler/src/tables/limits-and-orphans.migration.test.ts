import 'reflect-metadata';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { PositionRow } from '@buckets/log';
import { RealParts } from '../../../../libs/log/src/testing/real-parts.js';
import { CreateTables1763820000000 } from './create-tables.migration.js';
import { openSchedulerDatabase } from './database.js';
import { SchedulerProjection } from './scheduler-projection.js';

jest.setTimeout(60_000);

let parts: RealParts;
beforeAll(async () => {
  parts = await RealParts.start(['postgres']);
});
afterAll(async () => {
  await parts.stop();
});

it('tables from before limits are made anew: they are empty, and the log is read from its beginning', async () => {
  const before = await parts.database('before', {
    migrations: [CreateTables1763820000000],
    migrationsTableName: 'buckets_scheduler_migrations',
  });
  const row = new PositionRow(new SchedulerProjection());
  await row.create(before, 'this-log');
  await row.move(before, { position: 5, identity: 'this-log', hash: 'h' });
  await before.query(`INSERT INTO scheduler.operation VALUES ('o1', 'atlas', 'eu-1', 'backup', 5, NULL, false)`);

  const url = new URL(parts.infrastructure.postgresUrl);
  url.pathname = 'before';
  const after = await openSchedulerDatabase({ url: url.href, connections: 2 });
  try {
    expect(await after.query('SELECT * FROM scheduler.operation')).toEqual([]);
    expect(await row.read(after)).toEqual({ position: 0, identity: 'this-log', hash: '' });
  } finally {
    await after.destroy();
  }
});
