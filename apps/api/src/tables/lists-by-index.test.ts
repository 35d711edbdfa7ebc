import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Caller } from '../access/caller.js';
import { OperationsController, type OperationsQuery } from '../operations/operations.controller.js';
import { ProjectsController, type ProjectsQuery } from '../projects/projects.controller.js';
import { cursorAt } from '../http/page.js';
import { trialTables } from './testing/trial-tables.js';

jest.setTimeout(120_000);

const ROWS = 20_000;
const HOSTS = 1_000;
/** Of a page of 50 and one more, to know whether there is another. */
const PAGE = 51;

const data = trialTables({ patient: true });

beforeAll(async () => {
  // The newest rows are of nobody that is asked for: whoever goes through all of them reads them all.
  await data().query(
    `INSERT INTO api.project (id, owner_id, region_id, bucket_id, host_id, generation, backup_interval_minutes, provisioned,
       running, freshness, freshness_reason, created_at, backups, damaged_backups, position)
     SELECT 'p' || n, CASE WHEN n % 500 = 0 THEN 'ada' WHEN n % 2 = 1 THEN 'big'
              WHEN n > 500 AND n % 16 = 2 THEN 'idle' ELSE 'o' || n % 97 END, 'r', 'b', 'h' || n % $2::int, 1, 60, true,
            false, 'fresh', '', '2031-05-06T12:00:00.000Z', 0, 0, n
       FROM generate_series(1, $1::int) AS n`,
    [ROWS, HOSTS],
  );
  await data().query(
    `INSERT INTO api.operation (id, project_id, host_id, generation, kind, state, attempts, requested_by, params,
       requested_at, position, changed_position)
     SELECT 'o' || n, 'p' || n % 500, 'h' || n % $2::int, 1, CASE WHEN n < 100 THEN 'restore' ELSE 'backup' END,
            CASE WHEN n % 500 = 0 AND n < 5000 THEN 'running' ELSE 'succeeded' END, 1, 'admin', '{}',
            '2031-05-06T12:00:00.000Z', n, n
       FROM generate_series(1, $1::int) AS n`,
    [ROWS, HOSTS],
  );
  await data().query(`INSERT INTO api.member SELECT owner_id, id, 'owner', position FROM api.project`);
  await data().query('VACUUM ANALYZE api.member');
  await data().query('VACUUM ANALYZE api.project');
  await data().query('VACUUM ANALYZE api.operation');
});

interface Plan {
  'Node Type': string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
}

/** Rows that are read from tables, what a filter leaves out with them. */
function readBy(plan: Plan): number {
  // What an index of bits names is read from the table above it.
  const own = /(?<!Bitmap Index) Scan$/.test(plan['Node Type'])
    ? (plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0)) * plan['Actual Loops']
    : 0;
  return own + (plan.Plans ?? []).reduce((sum, part) => sum + readBy(part), 0);
}

/** What a list reads, and how many rows it shows. */
async function costOf(list: () => Promise<{ items: unknown[] }>): Promise<{ read: number; shown: number }> {
  const spy = jest.spyOn(data().logger, 'logQuery');
  const { items } = await list();
  const statements = spy.mock.calls.filter(([sql]) => sql.startsWith('SELECT'));
  spy.mockRestore();
  let read = 0;
  for (const [sql, parameters] of statements) {
    const [row] = await data().query<{ 'QUERY PLAN': { Plan: Plan }[] }[]>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`,
      parameters,
    );
    read += readBy(row!['QUERY PLAN'][0]!.Plan);
  }
  return { read, shown: items.length };
}

const admin: Caller = { kind: 'admin', id: 'admin', name: 'admin', scopes: ['admin'], reach: 'fleet' };
const same = <T>(row: T): Promise<T> => Promise.resolve(row);
const person = (userId: string): Caller => ({
  ...{ kind: 'user', id: userId, name: `user/${userId}`, scopes: ['projects:read', 'operations:read'] },
  reach: { userId, roles: ['owner', 'collaborator', 'viewer'] },
});
const projects = (query: ProjectsQuery, caller = admin) =>
  costOf(() =>
    ProjectsController.prototype.list.call(
      { data: data(), freshnessNow: { view: () => () => ({}) }, view: same } as never,
      query,
      caller,
    ),
  );
const operations = (query: OperationsQuery, caller = admin) =>
  costOf(() =>
    OperationsController.prototype.list.call({ data: data(), operations: { views: same } } as never, query, caller),
  );

describe('a page of a list reads what is on it', () => {
  it.each<[string, ProjectsQuery]>([
    ['all', {}],
    ['of an owner', { ownerId: 'ada' }],
    ['of a host', { hostId: 'h7' }],
    ['of a host, from a cursor on', { hostId: 'h7', cursor: cursorAt(10_000) }],
  ])('projects: %s', async (_, query) => {
    const { read, shown } = await projects(query);
    expect(shown).toBeGreaterThan(0);
    expect(read).toBeLessThanOrEqual(PAGE);
  });

  it.each<[string, OperationsQuery]>([
    ['all', {}],
    ['of a project', { projectId: 'p7' }],
    ['of a host', { hostId: 'h7' }],
    ['in a state', { state: 'running' }],
    ['of a kind', { kind: 'restore' }],
    ['of a host in a state', { hostId: 'h500', state: 'running' }],
    ['of a project in a state', { projectId: 'p0', state: 'running' }],
  ])('operations: %s', async (_, query) => {
    const { read, shown } = await operations(query);
    expect(shown).toBeGreaterThan(0);
    expect(read).toBeLessThanOrEqual(PAGE);
  });

  // Of 40 projects, of about a hundred, of more than a thousand, of none: the roles that they have are counted.
  it.each([
    ['ada', 40, 0],
    ['o7', PAGE - 1, PAGE - 1],
    ['idle', PAGE - 1, 0],
    ['nobody', 0, 0],
  ])('those of the projects of %s', async (userId, ofProjects, ofOperations) => {
    for (const query of [{}, { cursor: cursorAt(10_000) }]) {
      const lists = [await projects(query, person(userId)), await operations(query, person(userId))];
      if (query.cursor === undefined) expect(lists.map(({ shown }) => shown)).toEqual([ofProjects, ofOperations]);
      for (const { read } of lists) expect(read).toBeLessThan(userId === 'idle' ? 4_000 : 1_000);
    }
  });

  it('those of half of all projects', async () => {
    const { read, shown } = await projects({ cursor: cursorAt(5_000) }, person('big'));
    expect(shown).toBe(PAGE - 1);
    expect(read).toBeLessThan(2_500);
    expect((await operations({}, person('big'))).shown).toBe(PAGE - 1);
  });

  it("those of a person's projects that fit", async () => {
    const found = [
      await projects({ hostId: 'h104' }, person('o7')),
      await operations({ projectId: 'p104', state: 'succeeded' }, person('o7')),
      await operations({ kind: 'restore' }, person('big')),
    ];
    expect(found.map(({ shown }) => shown)).toEqual([1, 40, 50]);
  });
});
