import 'reflect-metadata';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import type { LoggedEvent } from '@buckets/contracts';
import type { DataSource } from 'typeorm';
import { RealParts } from '../../../../libs/log/src/testing/real-parts.js';
import { OrphansTables } from '../orphans/orphans-tables.js';
import { RetentionTables } from '../retention/retention-tables.js';
import { openSchedulerDatabase } from './database.js';
import { evolve } from './evolve.js';
import { ProjectRow } from './rows.js';

jest.setTimeout(60_000);

const NOON = Date.parse('2031-05-06T12:00:00.000Z');

let parts: RealParts;
let data: DataSource;
beforeAll(async () => {
  parts = await RealParts.start(['postgres']);
  data = await openSchedulerDatabase({ url: parts.infrastructure.postgresUrl, connections: 2 });
});
afterAll(async () => {
  await data?.destroy();
  await parts.stop();
});

async function newProject(id: string, hostId: string | null): Promise<void> {
  const about = { hostId: 'h1', generation: 1, ownerId: 'o', regionId: 'r', bucketId: 'b', requestedBy: 'admin' };
  const time = new Date(NOON).toISOString();
  const created = { thing: 'project', id, type: 'created', position: 1, messageId: '', time };
  const event = { ...created, data: { ...about, backupIntervalMinutes: 60 } } as LoggedEvent<'project'>;
  const due = { retention: { last: 1 }, orphans_since: NOON, orphans_until: NOON, doubts_since: NOON };
  const row: ProjectRow = { ...evolve(null, event)!.project, ...due, host_id: hostId };
  await data.getRepository(ProjectRow).insert(row as object);
}

it('a project that has no host is not looked for: nobody could do anything for it', async () => {
  await newProject('a-found-in-a-bucket', null);
  await newProject('b-on-a-host', 'h1');
  const page = { after: '', limit: 10 };
  const orphans = new OrphansTables(data);
  const found = [
    await new RetentionTables(data).retained(page),
    await orphans.orphaned({ before: NOON, ...page }),
    await orphans.doubtful({ before: NOON, ...page }),
  ];
  expect(found.map((projects) => projects.map(({ id }) => id))).toEqual(Array(3).fill(['b-on-a-host']));
});
