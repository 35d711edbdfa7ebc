import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Counted, counting } from '../tables/testing/counted.js';
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
      tables: new DueTables(counting(data(), counted)),
      position: () => 0,
      reaches: () => Promise.resolve(true),
      endOfLog: () => Promise.resolve(1),
      log: { warn: () => undefined },
      ...{ tickMs: 1_000, atMost: 500, steadyNow: () => 0 },
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
    const tables = new DueTables(counting(data(), counted));
    const { work } = await tables.ready(
      { kind: 'backup', until: NOON },
      { after: '', atMost: 500, perLane: 10, counts: ['backup'] },
    );
    expect(work).toHaveLength(HOSTS * 10);
    expect(counted.rows).toBeLessThan(3_000);
    expect(counted.scans).not.toContain('Seq Scan');
  });
});
