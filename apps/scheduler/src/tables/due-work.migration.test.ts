import 'reflect-metadata';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { PositionRow } from '@buckets/log';
import { RealParts } from '../../../../libs/log/src/testing/real-parts.js';
import { openSchedulerDatabase, SCHEDULER_MIGRATIONS } from './database.js';
import { DueWork1796200000000 } from './due-work.migration.js';
import { SchedulerProjection } from './scheduler-projection.js';

jest.setTimeout(60_000);

let parts: RealParts;
beforeAll(async () => {
  parts = await RealParts.start(['postgres']);
});
afterAll(async () => {
  await parts.stop();
});

it('tables from before what is due had one are made anew: they are empty, and the log is read from its beginning', async () => {
  const before = await parts.database('before', {
    migrations: SCHEDULER_MIGRATIONS.filter((each) => each !== DueWork1796200000000),
    migrationsTableName: 'buckets_scheduler_migrations',
  });
  const row = new PositionRow(new SchedulerProjection());
  await row.create(before, 'this-log');
  await row.move(before, { position: 5, identity: 'this-log', hash: 'h' });
  await before.query(
    `INSERT INTO scheduler.backup (project_id, id, began_at, began_position, counter, partial_because, recorded_position,
       in_doubt, damaged)
     VALUES ('atlas', 'b1', now(), 1, '{}', '[]', 2, false, false)`,
  );

  const url = new URL(parts.infrastructure.postgresUrl);
  url.pathname = 'before';
  const after = await openSchedulerDatabase({ url: url.href, connections: 2 });
  try {
    expect(await after.query('SELECT * FROM scheduler.backup')).toEqual([]);
    expect(await after.query('SELECT * FROM scheduler.due')).toEqual([]);
    expect(await row.read(after)).toEqual({ position: 0, identity: 'this-log', hash: '' });
    await after.undoLastMigration();
    await after.runMigrations();
  } finally {
    await after.destroy();
  }
});
