import { expect, it, jest } from '@jest/globals';
import { OrphansTables } from '../orphans/orphans-tables.js';
import { RetentionTables } from '../retention/retention-tables.js';
import { ProjectRow } from './rows.js';
import { created, NOON, rowsAfter, trialTables } from './testing/trial-tables.js';

jest.setTimeout(60_000);

const data = trialTables();

async function newProject(id: string, hostId: string | null): Promise<void> {
  const due = { retention: { last: 1 }, orphans_since: NOON, orphans_until: NOON, doubts_since: NOON };
  const row: ProjectRow = { ...rowsAfter(id, [created('h1')]).project, ...due, host_id: hostId };
  await data()
    .getRepository(ProjectRow)
    .insert(row as object);
}

it('a project that has no host is not looked for: nobody could do anything for it', async () => {
  await newProject('a-found-in-a-bucket', null);
  await newProject('b-on-a-host', 'h1');
  const page = { after: '', limit: 10 };
  const orphans = new OrphansTables(data());
  const found = [
    await new RetentionTables(data()).retained(page),
    await orphans.orphaned({ before: NOON, ...page }),
    await orphans.doubtful({ before: NOON, ...page }),
  ];
  expect(found.map((projects) => projects.map(({ id }) => id))).toEqual(Array(3).fill(['b-on-a-host']));
});
