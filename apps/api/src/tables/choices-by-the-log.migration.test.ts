import 'reflect-metadata';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { encode, envelope, eventTypeName, subjects, type LoggedEvent } from '@buckets/contracts';
import type { DataSource, MigrationInterface, QueryRunner } from 'typeorm';
import { RealParts } from '../../../../libs/log/src/testing/real-parts.js';
import {
  backedUp,
  beganEvent,
  created,
  doubted,
  event,
  logged,
  READY,
  recordedEvent,
  requestedEvent,
} from '../state/testing/given.js';
import { openDatabase } from '../wiring/database.js';
import { ChoicesByTheLog1764200000000 } from './choices-by-the-log.migration.js';
import { TablesProjection } from './tables-projection.js';

jest.setTimeout(60_000);

let parts: RealParts;
beforeAll(async () => {
  parts = await RealParts.start(['postgres']);
});
afterAll(async () => {
  await parts.stop();
});

/** The tables as of these events. */
async function project(data: DataSource, events: LoggedEvent<'project'>[]): Promise<void> {
  const messages = events.map(({ id, type, data: said, position, time }) => {
    const fields = {
      source: 's',
      type: eventTypeName('project', type),
      subject: `project/${id}`,
      time: new Date(time),
    };
    const bytes = encode(envelope(fields, said));
    return { position, subject: subjects.event('project', id, type), headers: {}, bytes, storedAt: time };
  });
  await data.transaction((rows) => new TablesProjection().apply({ messages, events }, rows));
}

async function run(data: DataSource, work: (migration: MigrationInterface, runner: QueryRunner) => Promise<void>) {
  const runner = data.createQueryRunner();
  await work(new ChoicesByTheLog1764200000000(), runner);
  await runner.release();
}

it('tables from before get from the journal what a rebuild would give them', async () => {
  await parts.database('from-before');
  const url = new URL(parts.infrastructure.postgresUrl);
  url.pathname = 'from-before';
  const data = await openDatabase(url.href, 2);
  try {
    const begun = [1, 2].map((attempt) => beganEvent('op-2', 'backup', `at-${attempt}`, attempt));
    const succeeded = event('backup-succeeded', { operationId: 'op-2' });
    const twice = [requestedEvent('op-2', 'backup'), ...begun, recordedEvent(2, 'op-2'), succeeded];
    await project(data, logged([...READY, ...backedUp(1), ...twice, ...backedUp(3), ...doubted(3)]));
    await project(
      data,
      logged([event('created', created)], 99).map((each) => ({ ...each, id: 'p2' })),
    );
    const look = () =>
      Promise.all([
        data.query('SELECT id, state FROM api.thing_state ORDER BY id'),
        data.query('SELECT id, began_position, accepted FROM api.backup ORDER BY id'),
        data.query('SELECT id, in_doubt FROM api.project ORDER BY id'),
      ]);
    const now = await look();

    await run(data, (migration, runner) => migration.down!(runner));
    await data.query(
      `UPDATE api.thing_state SET state = jsonb_set(state, '{backups}', (SELECT coalesce(jsonb_object_agg(key,
         value - 'beganPosition' - 'recordedPosition' || '{"beganAt": "2031-01-01T00:00:00Z", "generation": 2}'), '{}')
         FROM jsonb_each(state -> 'backups')))`,
    );
    await run(data, (migration, runner) => migration.up(runner));
    expect(await look()).toEqual(now);
  } finally {
    await data.destroy();
  }
});
