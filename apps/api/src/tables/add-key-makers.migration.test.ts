import 'reflect-metadata';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import type { LoggedEvent } from '@buckets/contracts';
import { RealParts } from '../../../../libs/log/src/testing/real-parts.js';
import { AT } from '../state/testing/given.js';
import { openDatabase } from '../wiring/database.js';
import { AddKeyMakers1764800000000 } from './add-key-makers.migration.js';
import { TablesProjection } from './tables-projection.js';

jest.setTimeout(60_000);

let parts: RealParts;
beforeAll(async () => {
  parts = await RealParts.start(['postgres']);
});
afterAll(async () => {
  await parts.stop();
});

it('API keys from before it was kept are shown with who made them, as far as the journal says it', async () => {
  await parts.database('keys-before');
  const data = await openDatabase(parts.databaseUrl('keys-before'), 2);
  try {
    const key = (n: number, requestedBy: string) => ({
      requestedBy,
      name: 'K',
      tokenHash: `${n}`.repeat(64),
      scopes: ['admin'],
    });
    const facts = [
      { id: 'k1', thing: 'api-key', type: 'created', data: key(1, 'admin') },
      { id: 'k2', thing: 'api-key', type: 'created-for-owner', data: { ...key(2, 'key/k1'), ownerId: 'ada' } },
      { id: 'k1', thing: 'api-key', type: 'revoked', data: { requestedBy: 'user/u' } },
      { id: 'k3', thing: 'api-key', type: 'created', data: key(3, 'admin') },
    ];
    const events = facts.map((each, n) => ({ ...each, position: n + 1, messageId: 'm', time: AT })) as LoggedEvent[];
    const messages = events.map(({ position, data }) => ({
      ...{ position, subject: 's', headers: {}, bytes: Buffer.from(JSON.stringify({ data })), storedAt: AT },
    }));
    await data.transaction((rows) => new TablesProjection().apply({ messages, events }, rows));
    const look = () => data.query('SELECT id, made_by FROM api.api_key ORDER BY id');
    const known = [
      { id: 'k1', made_by: 'admin' },
      { id: 'k2', made_by: 'key/k1' },
    ];
    expect(await look()).toEqual([...known, { id: 'k3', made_by: 'admin' }]);
    await data.query('DELETE FROM api.journal WHERE position = 4');
    const runner = data.createQueryRunner();
    await new AddKeyMakers1764800000000().down(runner);
    await new AddKeyMakers1764800000000().up(runner);
    await runner.release();
    expect(await look()).toEqual([...known, { id: 'k3', made_by: null }]);
  } finally {
    await data.destroy();
  }
});
