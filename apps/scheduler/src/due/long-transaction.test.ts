import { expect, it, jest } from '@jest/globals';
import { Counted, counting } from '../tables/testing/counted.js';
import { NOON, trialTables } from '../tables/testing/trial-tables.js';
import { DueTables } from './due-tables.js';
import { DueWork } from './due-work.js';
import { dueRow, insertDue } from './testing/due-rows.js';

jest.setTimeout(120_000);

const data = trialTables({ patient: true });
const HOUR = 60 * 60_000;
const DONE = 30_000;

it('what was done while a transaction has been open costs a look now and then, and keeps nothing from being found', async () => {
  const long = data().createQueryRunner();
  await long.startTransaction('REPEATABLE READ');
  try {
    await long.query('SELECT count(*) FROM scheduler.due');
    await data().query(
      `INSERT INTO scheduler.due (thing_id, kind, subject, lane, key, due_at, attempts)
       SELECT 'done-' || n, 'backup', '', 'h' || n % 50, n::text, $2::timestamptz + n * interval '1 millisecond', 0
         FROM generate_series(1, $1::int) AS n`,
      [DONE, new Date(NOON - HOUR)],
    );
    await data().query('DELETE FROM scheduler.due');
    let steady = 0;
    const counted = new Counted();
    const asked: string[] = [];
    const looks = new DueTables(counting(data(), counted));
    const work = new DueWork(
      {
        ...{ kind: 'backup', afterMs: 0, perLane: 10, counts: [], failed: 'No.' },
        carryOut: ({ thingId }) => Promise.resolve(asked.push(thingId)).then(() => 'requested' as const),
      },
      {
        tables: Object.assign(new DueTables(data()), {
          ready: async (...of: Parameters<DueTables['ready']>) => {
            steady += 1_000;
            return looks.ready(...of);
          },
        }),
        ...{ position: () => 0, reaches: () => Promise.resolve(true), endOfLog: () => Promise.resolve(1) },
        ...{ log: { warn: () => undefined }, tickMs: 1_000, atMost: 500, steadyNow: () => steady },
      },
    );
    /** The blocks that the look of a round reads; a look takes a second. */
    const round = async (now: number): Promise<number> => {
      const before = counted.blocks;
      await work.round(now);
      return counted.blocks - before;
    };
    await insertDue(data(), [dueRow('first', 'h1', NOON)]);
    const whole = await round(NOON);
    await insertDue(data(), [dueRow('second', 'h1', NOON + 1), dueRow('late', 'h1', NOON - HOUR / 2)]);
    expect(await round(NOON + 2)).toBeLessThan(whole / 10);
    expect(asked).toEqual(['first', 'second']);
    steady += 10_000;
    expect(await round(NOON + 2)).toBeGreaterThan(whole / 2);
    expect(asked).toEqual(['first', 'second', 'late']);
  } finally {
    await long.rollbackTransaction();
    await long.release();
  }
});
