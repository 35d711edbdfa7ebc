import 'reflect-metadata';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import type { LoggedEvent } from '@buckets/contracts';
import { RealParts } from '../../../../libs/log/src/testing/real-parts.js';
import { AT, created, event } from '../state/testing/given.js';
import { openDatabase } from '../wiring/database.js';
import { AddOwners1764600000000 } from './add-owners.migration.js';
import { TablesProjection } from './tables-projection.js';

jest.setTimeout(60_000);

let parts: RealParts;
beforeAll(async () => {
  parts = await RealParts.start(['postgres']);
});
afterAll(async () => {
  await parts.stop();
});

it('tables from before there were members get the owners that a rebuild would give them', async () => {
  await parts.database('from-before');
  const url = new URL(parts.infrastructure.postgresUrl);
  url.pathname = 'from-before';
  const data = await openDatabase(url.href, 2);
  try {
    const key = { requestedBy: 'admin', name: 'K', tokenHash: 'a'.repeat(64), scopes: ['admin'] };
    const facts = [
      { id: 'p1', ...event('created', created) },
      { id: 'p2', ...event('created', created) },
      { id: 'p2', ...event('updated', { ownerId: 'ada', requestedBy: 'admin' }) },
      { id: 'k1', thing: 'api-key', type: 'created', data: key },
    ];
    const events = facts.map((each, n) => ({ ...each, position: n + 1, messageId: 'm', time: AT })) as LoggedEvent[];
    const messages = events.map(({ position }) => ({
      ...{ position, subject: 's', headers: {}, bytes: Buffer.from('{}'), storedAt: AT },
    }));
    await data.transaction((rows) => new TablesProjection().apply({ messages, events }, rows));
    const look = () =>
      Promise.all([
        data.query('SELECT project_id, user_id, role FROM api.member ORDER BY project_id'),
        data.query('SELECT * FROM api.api_key'),
      ]);
    const now = await look();
    expect(now[0]).toEqual([
      { project_id: 'p1', user_id: 'someone', role: 'owner' },
      { project_id: 'p2', user_id: 'ada', role: 'owner' },
    ]);
    const runner = data.createQueryRunner();
    await new AddOwners1764600000000().down(runner);
    await new AddOwners1764600000000().up(runner);
    await runner.release();
    expect(await look()).toEqual(now);
  } finally {
    await data.destroy();
  }
});
