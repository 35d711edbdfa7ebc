import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { NOON, trialTables } from '../tables/testing/trial-tables.js';
import { DueTables } from './due-tables.js';
import { DueWork } from './due-work.js';
import { insertFleet, insertOpen } from './testing/due-rows.js';

jest.setTimeout(120_000);

const HOUR = 60 * 60_000;
const HOSTS = 50;

const data = trialTables({ patient: true });

beforeEach(async () => {
  for (const table of ['due', 'operation']) await data().query(`TRUNCATE scheduler.${table}`);
});

interface Plan {
  'Node Type': string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  Plans?: Plan[];
}

/** What statements read: rows, blocks, and the kinds of scans. */
class Counted {
  rows = 0;
  blocks = 0;
  readonly scans = new Set<string>();

  add(plan: Plan): void {
    const type = plan['Node Type'];
    if (/^(Seq|Index|Index Only|Bitmap Heap) Scan$/.test(type)) {
      this.scans.add(type);
      const each =
        plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0) + (plan['Rows Removed by Index Recheck'] ?? 0);
      this.rows += each * plan['Actual Loops'];
    }
    for (const part of plan.Plans ?? []) this.add(part);
  }
}

/** What each statement reads is asked for before it runs. */
function counting(counted: Counted): DataSource {
  const query = async (sql: string, parameters: unknown[]): Promise<unknown> => {
    const session = data().createQueryRunner();
    await session.startTransaction();
    try {
      const explain = `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${sql}`;
      const [row] = (await session.query(explain, parameters)) as { 'QUERY PLAN': { Plan: Plan & Blocks }[] }[];
      const { Plan: plan } = row!['QUERY PLAN'][0]!;
      counted.add(plan);
      counted.blocks += plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
    } finally {
      await session.rollbackTransaction();
      await session.release();
    }
    return data().query(sql, parameters);
  };
  return { query } as unknown as DataSource;
}

interface Blocks {
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
}

/** What a tick reads of a fleet, when so many of it are due. */
async function tickOf(projects: number, dueNow: number): Promise<Counted & { asked: number }> {
  await data().query('TRUNCATE scheduler.due');
  await insertFleet(data(), { projects, hosts: HOSTS, dueAt: NOON + HOUR });
  await data().query(
    `UPDATE scheduler.due SET due_at = $1 WHERE kind = 'backup' AND thing_id IN (SELECT 'p' || n FROM generate_series(1, $2::int) n)`,
    [new Date(NOON), dueNow],
  );
  await data().query('VACUUM ANALYZE scheduler.due');
  const counted = Object.assign(new Counted(), { asked: 0 });
  const carryOut = () => {
    counted.asked++;
    return Promise.resolve('requested' as const);
  };
  const work = new DueWork(
    { kind: 'backup', afterMs: 0, perLane: 10, counts: ['backup'], failed: 'No.', carryOut },
    {
      tables: new DueTables(counting(counted)),
      position: () => 0,
      reaches: () => Promise.resolve(true),
      endOfLog: () => Promise.resolve(1),
      log: { warn: () => undefined },
      ...{ tickMs: 1_000, atMost: 500 },
    },
  );
  while (await work.round(NOON)) continue;
  return counted;
}

describe('a tick reads', () => {
  it('nothing where nothing is due, however many projects there are', async () => {
    const [few, many] = [await tickOf(1_000, 0), await tickOf(20_000, 0)];
    expect([few.rows, many.rows, few.asked, many.asked]).toEqual([0, 0, 0, 0]);
    expect(many.blocks).toBeLessThan(few.blocks + 10);
    expect(many.scans).not.toContain('Seq Scan');
  });

  it('what is due, however many projects and operations there are', async () => {
    await insertOpen(data(), 'h999', 'backup', 20_000);
    const [few, many] = [await tickOf(1_000, 20), await tickOf(20_000, 20)];
    expect([few.asked, many.asked]).toEqual([20, 20]);
    expect(many.rows).toBeLessThan(20 * 10);
    expect(many.rows).toBeLessThan(1.5 * few.rows);
    expect(many.blocks).toBeLessThan(3 * few.blocks);
    expect(many.scans).not.toContain('Seq Scan');
  });

  it('a part of it where all are due, a share for each host', async () => {
    await data().query('TRUNCATE scheduler.due');
    await insertFleet(data(), { projects: 20_000, hosts: HOSTS, dueAt: NOON - 2 * HOUR });
    const counted = new Counted();
    const tables = new DueTables(counting(counted));
    const { work } = await tables.ready(
      { kind: 'backup', until: NOON },
      { after: '', atMost: 500, perLane: 10, counts: ['backup'] },
    );
    expect(work).toHaveLength(HOSTS * 10);
    expect(counted.rows).toBeLessThan(3_000);
    expect(counted.scans).not.toContain('Seq Scan');
  });
});
