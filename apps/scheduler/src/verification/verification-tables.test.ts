import { beforeEach, expect, it, jest } from '@jest/globals';
import { OperationRow, ProjectRow } from '../tables/rows.js';
import { created, NOON, rowsAfter, trialTables } from '../tables/testing/trial-tables.js';
import { VerificationTables } from './verification-tables.js';

jest.setTimeout(60_000);

const data = trialTables();

/** A project whose repository was looked at so many minutes before noon; null before its first backup. */
async function newProject(
  id: string,
  hostId: string,
  minutesAgo: number | null,
  more: Partial<ProjectRow> = {},
): Promise<void> {
  const verified_at = minutesAgo === null ? null : NOON - minutesAgo * 60_000;
  await data()
    .getRepository(ProjectRow)
    .insert({ ...rowsAfter(id, [created(hostId)]).project, verified_at, ...more } as object);
}

const WANTED = { now: NOON, intervalMs: 60 * 60_000, except: [], limit: 10 };

beforeEach(async () => {
  await data().query('DELETE FROM scheduler.project');
  await data().query('DELETE FROM scheduler.operation');
});

async function verifying(id: string, projectId: string, hostId: string, ended: boolean): Promise<void> {
  const until = { queue_until: NOON, whole_until: NOON, began_position: null, began_at: null };
  const none = { cancel_requested_at: null, tidies_before: null, forgets: null };
  const row = { id, project_id: projectId, host_id: hostId, kind: 'verify' as const, requested_position: 1, ended };
  await data()
    .getRepository(OperationRow)
    .insert({ ...row, ...until, ...none });
}

it('the projects that nobody has looked at for longest are due, one of each host', async () => {
  await newProject('never-backed-up', 'h1', null);
  await newProject('young', 'h1', 10);
  await newProject('old', 'h1', 90);
  await newProject('older', 'h1', 100);
  await newProject('elsewhere', 'h2', 200);
  await newProject('busy', 'h3', 300);
  await newProject('behind-it', 'h3', 400);
  await verifying('v1', 'busy', 'h3', false);
  await verifying('v2', 'old', 'h1', true);
  const tables = new VerificationTables(data());
  const due = async (limit = 10) => (await tables.due({ ...WANTED, limit })).map(({ projectId }) => projectId);
  expect(await due()).toEqual(['elsewhere', 'older']);
  expect(await due(1)).toEqual(['elsewhere']);

  const [first] = await tables.due({ ...WANTED, limit: 1 });
  expect(first).toEqual({ projectId: 'elsewhere', key: `elsewhere/verify/${NOON - 200 * 60_000}` });
});

it('one that may not be asked about keeps no other of its host waiting', async () => {
  await newProject('refused', 'h1', 200);
  await newProject('next', 'h1', 100);
  const due = await new VerificationTables(data()).due({ ...WANTED, except: ['refused'] });
  expect(due.map(({ projectId }) => projectId)).toEqual(['next']);
});

it('one whose look is further ahead than the interval is due, and one without a host is not', async () => {
  await newProject('ahead', 'h1', -61);
  await newProject('a-little-ahead', 'h2', -59);
  await newProject('found-in-a-bucket', 'h3', 500, { host_id: null });
  const due = await new VerificationTables(data()).due(WANTED);
  expect(due.map(({ projectId }) => projectId)).toEqual(['ahead']);
});

it('one that could not be looked at takes its turn after the others of its host', async () => {
  await newProject('in-vain', 'h1', 500, { last_verify_position: 20 });
  await newProject('in-vain-before', 'h1', 400, { last_verify_position: 10 });
  await newProject('never', 'h1', 100);
  const order: string[] = [];
  for (;;) {
    const [due] = await new VerificationTables(data()).due({ ...WANTED, except: order });
    if (due === undefined) break;
    order.push(due.projectId);
  }
  expect(order).toEqual(['never', 'in-vain-before', 'in-vain']);
});

it('the request is another one after a look that came to nothing', async () => {
  await newProject('atlas', 'h1', 100, { last_verify_position: 17 });
  const [due] = await new VerificationTables(data()).due(WANTED);
  expect(due!.key).toBe(`atlas/verify/${NOON - 100 * 60_000}/17`);
});
