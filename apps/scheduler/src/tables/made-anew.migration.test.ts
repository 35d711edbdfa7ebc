import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { PositionRow } from '@buckets/log';
import type { MixedList } from 'typeorm';
import { RealParts } from '../../../../libs/log/src/testing/real-parts.js';
import { schemaOf } from '../../../../libs/log/src/testing/schema-of.js';
import { BoundedLists1796100000000 } from './bounded-lists.migration.js';
import { CreateTables1763820000000 } from './create-tables.migration.js';
import { openSchedulerDatabase, SCHEDULER_MIGRATIONS } from './database.js';
import { DueWork1796200000000 } from './due-work.migration.js';
import { SCHEDULER_ENTITIES } from './rows.js';
import { SchedulerProjection } from './scheduler-projection.js';

jest.setTimeout(60_000);

let parts: RealParts;
beforeAll(async () => {
  parts = await RealParts.start(['postgres']);
});
afterAll(async () => {
  await parts.stop();
});

const OPERATION = `INSERT INTO scheduler.operation VALUES ('o1', 'atlas', 'eu-1', 'backup', 5, NULL, false)`;
const BACKUP = `INSERT INTO scheduler.backup (project_id, id, began_at, began_position, counter, partial_because,
    recorded_position, in_doubt, damaged)
  VALUES ('atlas', 'b1', now(), 1, '{}', '[]', 2, false, false)`;

const DUE = `INSERT INTO scheduler.due (thing_id, kind, subject, lane, key, due_at)
  VALUES ('atlas', 'backup', '', 'h1', 'atlas/1', now())`;

const upTo = (last: Function): Function[] =>
  SCHEDULER_MIGRATIONS.slice(0, 1 + SCHEDULER_MIGRATIONS.findIndex((each) => each === last));

describe('tables from before', () => {
  it.each<[string, MixedList<Function>, string]>([
    ['there were limits', [CreateTables1763820000000], OPERATION],
    ['what is due had one', upTo(BoundedLists1796100000000), BACKUP],
    ['it was counted by a clock', upTo(DueWork1796200000000), `${BACKUP}; ${DUE}`],
  ])('%s are made anew: they are empty, and the log is read from its beginning', async (when, migrations, row) => {
    const name = when.replaceAll(' ', '-');
    const before = await parts.database(name, { migrations, migrationsTableName: 'buckets_scheduler_migrations' });
    const place = new PositionRow(new SchedulerProjection());
    await place.create(before, 'this-log');
    await place.move(before, { position: 5, identity: 'this-log', hash: 'h' });
    await before.query(row);

    const fresh = await openSchedulerDatabase({ url: parts.infrastructure.postgresUrl, connections: 2 });
    const after = await openSchedulerDatabase({ url: parts.databaseUrl(name), connections: 2 });
    try {
      for (const entity of SCHEDULER_ENTITIES) expect(await after.getRepository(entity).count()).toBe(0);
      for (const table of ['due', 'freshness_count'])
        expect(await after.query(`SELECT FROM scheduler.${table}`)).toEqual([]);
      expect(await place.read(after)).toEqual({ position: 0, identity: 'this-log', hash: '' });
      expect(await schemaOf(after, 'scheduler')).toEqual(await schemaOf(fresh, 'scheduler'));
      // A copy of the scheduler from before cannot write what is due.
      await expect(after.query(DUE)).rejects.toThrow('"attempts"');
      await after.undoLastMigration();
      await after.query(DUE);
      // Some versions had parts of it already.
      await after.query('ALTER TABLE scheduler.backup ADD sort text; CREATE TABLE scheduler.freshness_count ()');
      await after.runMigrations();
      expect(await schemaOf(after, 'scheduler')).toEqual(await schemaOf(fresh, 'scheduler'));
    } finally {
      await Promise.all([after.destroy(), fresh.destroy()]);
    }
  });
});
