import { expect, it, jest } from '@jest/globals';
import type { LoggedEvent } from '@buckets/contracts';
import { AT, created, event } from '../state/testing/given.js';
import { AddOwners1764600000000 } from './add-owners.migration.js';
import { migrate, project, trialTables } from './testing/trial-tables.js';

jest.setTimeout(60_000);

const data = trialTables();

it('tables from before there were members get the owners that a rebuild would give them', async () => {
  const key = { requestedBy: 'admin', name: 'K', tokenHash: 'a'.repeat(64), scopes: ['admin'] };
  const facts = [
    { id: 'p1', ...event('created', created) },
    { id: 'p2', ...event('created', created) },
    { id: 'p2', ...event('updated', { ownerId: 'ada', requestedBy: 'admin' }) },
    { id: 'k1', thing: 'api-key', type: 'created', data: key },
  ];
  const events = facts.map((each, n) => ({ ...each, position: n + 1, messageId: 'm', time: AT })) as LoggedEvent[];
  await project(data(), events);
  const look = () =>
    Promise.all([
      data().query('SELECT project_id, user_id, role FROM api.member ORDER BY project_id'),
      data().query('SELECT * FROM api.api_key'),
    ]);
  const now = await look();
  expect(now[0]).toEqual([
    { project_id: 'p1', user_id: 'someone', role: 'owner' },
    { project_id: 'p2', user_id: 'ada', role: 'owner' },
  ]);
  await migrate(data(), 'down', [new AddOwners1764600000000()]);
  await migrate(data(), 'up', [new AddOwners1764600000000()]);
  expect(await look()).toEqual(now);
});
