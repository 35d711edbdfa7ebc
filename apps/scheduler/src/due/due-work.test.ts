import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Refused, Unanswered } from '@buckets/log';
import { until } from '@buckets/patience';
import { NOON, trialTables } from '../tables/testing/trial-tables.js';
import { DueTables, LOOKED_AT, type DueItem } from './due-tables.js';
import { AT_ONCE, DueWork, type CarriedOut, type WorkOfKind } from './due-work.js';
import { LONGEST_PAUSE_MS } from './pauses.js';
import { dueRow, insertDue, insertOpen } from './testing/due-rows.js';

jest.setTimeout(60_000);

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const data = trialTables();

beforeEach(async () => {
  for (const table of ['due', 'operation']) await data().query(`DELETE FROM scheduler.${table}`);
});

type CarryOut = (item: DueItem) => Promise<CarriedOut> | CarriedOut;
const unanswered = () => Promise.reject(new Unanswered('s', null));
const refuse = () => Promise.reject(new Refused({ code: 'project-has-no-data', detail: 'No.', retry: false }));

interface More extends Partial<WorkOfKind> {
  atMost?: number;
  /** What was accepted stays due: the tables do not show it yet. */
  stays?: boolean;
}

/** Who asks for what is due. What was accepted is due no more, as the projection would have it. */
function asking(carryOut: CarryOut = () => 'requested', more: More = {}) {
  const asked: string[] = [];
  const ended: string[] = [];
  const control = { reached: 10, end: 10 };
  const { atMost = 500, stays = false, ...ofKind } = more;
  const work: WorkOfKind = {
    ...{ kind: 'backup', afterMs: 0, perLane: 10, counts: ['backup'], failed: 'No.' },
    carryOut: async (item) => {
      asked.push(item.thingId);
      const carriedOut = await carryOut(item);
      if (carriedOut === 'requested' && !stays) {
        await data().query('DELETE FROM scheduler.due WHERE thing_id = $1', [item.thingId]);
      }
      return carriedOut;
    },
    ended: (outcome) => ended.push(outcome),
    ...ofKind,
  };
  const parts = {
    tables: new DueTables(data()),
    position: () => control.reached,
    reaches: (position: number) => Promise.resolve(control.reached >= position),
    endOfLog: () => Promise.resolve(control.end),
    log: { warn: () => undefined },
    ...{ tickMs: 1_000, atMost, steadyNow: () => 0 },
  };
  const dueWork = new DueWork(work, parts);
  const again = () => new DueWork(work, parts);
  /** All that there is to do at a moment. */
  const tick = async (now: number): Promise<string[]> => {
    const before = asked.length;
    while (await dueWork.round(now)) continue;
    return asked.slice(before);
  };
  return { dueWork, again, tick, asked, ended, control };
}

const many = (count: number, lane: string, dueAt: number) =>
  Array.from({ length: count }, (_, n) => dueRow(`${lane}-${String(n).padStart(5, '0')}`, lane, dueAt + n));

describe('work', () => {
  it('is asked for when it is due, and when settings say so', async () => {
    await insertDue(data(), [dueRow('atlas', 'h1', NOON), dueRow('later', 'h1', NOON + 1)]);
    const { tick } = asking();
    expect(await tick(NOON - 1)).toEqual([]);
    expect(await tick(NOON)).toEqual(['atlas']);
    const grace = asking(undefined, { afterMs: HOUR });
    expect(await grace.tick(NOON + HOUR)).toEqual([]);
    expect(await grace.tick(NOON + HOUR + 1)).toEqual(['later']);
  });

  it('that is held waits for that, too, however much settings add', async () => {
    await insertDue(data(), [dueRow('in-vain', 'h1', NOON, { held_until: NOON + 2 * HOUR })]);
    const { tick } = asking(undefined, { afterMs: HOUR, perLane: 1 });
    await insertDue(data(), [dueRow('next', 'h1', NOON + 1)]);
    expect(await tick(NOON + HOUR + 1)).toEqual(['next']);
    expect(await tick(NOON + 2 * HOUR - 1)).toEqual([]);
    expect(await tick(NOON + 2 * HOUR)).toEqual(['in-vain']);
  });

  it('that was not to be is asked for again as soon as otherwise, though somebody was changing it just then', async () => {
    await insertDue(data(), [dueRow('atlas', 'h1', NOON)]);
    const other = data().createQueryRunner();
    const { tick } = asking(async () => {
      if (!other.isTransactionActive) await other.startTransaction();
      await other.query('SELECT FROM scheduler.due FOR UPDATE');
      return unanswered();
    });
    try {
      expect(await tick(NOON)).toEqual(['atlas']);
      await other.rollbackTransaction();
      expect(await tick(NOON + 1_000)).toEqual([]);
      expect(await tick(NOON + 5_000)).toEqual(['atlas']);
    } finally {
      await other.release();
    }
  });

  it('that was accepted is not asked for again before the tables can show it', async () => {
    await insertDue(data(), [dueRow('atlas', 'h1', NOON)]);
    const { tick } = asking(undefined, { stays: true });
    expect(await tick(NOON)).toEqual(['atlas']);
    expect(await tick(NOON + MINUTE - 1)).toEqual([]);
    expect(await tick(NOON + 2 * MINUTE)).toEqual(['atlas']);
  });

  it('in which there is nothing to do is not looked at again, until it is other work', async () => {
    await insertDue(data(), [dueRow('atlas', 'h1', NOON)]);
    const { tick } = asking(() => 'nothing-to-do');
    expect(await tick(NOON)).toEqual(['atlas']);
    expect(await tick(NOON + 1_000 * DAY)).toEqual([]);
  });
});

describe('work of others', () => {
  it('goes on where 20 projects always fail, and these are tried again, later each time', async () => {
    const failing = new Set(Array.from({ length: 20 }, (_, n) => `f-${n}`));
    await insertDue(data(), [
      ...[...failing].map((id, n) => dueRow(id, `h${n % 4}`, NOON - DAY)),
      ...Array.from({ length: 980 }, (_, n) => dueRow(`p-${n}`, `h${n % 4}`, NOON)),
    ]);
    const { tick, asked } = asking(({ thingId }) => (failing.has(thingId) ? unanswered() : 'requested'));
    const first = await tick(NOON);
    expect(new Set(first).size).toBe(1_000);
    const tries: number[] = [];
    for (let minute = 1; minute <= 60; minute++) tries.push((await tick(NOON + minute * MINUTE)).length);
    expect(new Set(asked.slice(1_000))).toEqual(failing);
    const perHour = tries.reduce((sum, each) => sum + each, 0) / failing.size;
    expect(perHour).toBeGreaterThan(5);
    expect(perHour).toBeLessThan(40);
  });

  it('goes on where a host refuses all of it, and is asked about much later', async () => {
    await insertDue(data(), [...many(3_000, 'refusing', NOON - DAY), ...many(30, 'well', NOON - HOUR)]);
    const { dueWork, asked } = asking(({ lane }) => (lane === 'refusing' ? refuse() : 'requested'), { atMost: 20 });
    for (let round = 0; round < 4; round++) await dueWork.round(NOON);
    expect(asked.filter((id) => id.startsWith('well'))).toHaveLength(30);
    expect(asked.filter((id) => id.startsWith('refusing'))).toHaveLength(40);
    const once = asking(refuse);
    await data().query(`DELETE FROM scheduler.due WHERE thing_id <> 'refusing-00100'`);
    expect(await once.tick(NOON)).toEqual(['refusing-00100']);
    expect(await once.tick(NOON + MINUTE - 1)).toEqual([]);
    expect(await once.tick(NOON + 2 * MINUTE)).toEqual(['refusing-00100']);
  });

  it('goes on where a host does not begin with what it has: so much is queued for it, and no more', async () => {
    await insertOpen(data(), 'silent', 'backup', 8);
    await insertOpen(data(), 'silent', 'restore', 30);
    await insertDue(data(), [...many(LOOKED_AT + 500, 'silent', NOON - DAY), ...many(3, 'well', NOON)]);
    const { dueWork, asked } = asking();
    await dueWork.round(NOON + 10);
    expect(asked.toSorted()).toEqual(['silent-00000', 'silent-00001', 'well-00000', 'well-00001', 'well-00002']);
  });

  it('of the same host goes on where one after the other is done and the first is refused', async () => {
    await insertDue(data(), [dueRow('refused', 'h1', NOON - DAY), dueRow('next', 'h1', NOON - HOUR)]);
    const { tick } = asking(({ thingId }) => (thingId === 'refused' ? refuse() : 'requested'), {
      ...{ perLane: 1, counts: ['verify'] },
    });
    expect(await tick(NOON)).toEqual(['refused', 'next']);
  });

  it('has its turn, however many hosts have more that is due than can be asked for at once', async () => {
    const hosts = Array.from({ length: 30 }, (_, n) => `h${10 + n}`);
    await insertDue(
      data(),
      hosts.flatMap((host) => many(60, host, NOON - DAY)),
    );
    await insertDue(data(), [dueRow('lonely', 'zz', NOON)]);
    const { dueWork, asked } = asking(undefined, { atMost: 10 });
    for (let round = 0; round < 4; round++) await dueWork.round(NOON);
    expect(asked).toHaveLength(40);
    expect(asked).toContain('lonely');
    const turns = Map.groupBy(asked, (id) => id.slice(0, 3));
    expect(turns.size).toBe(31);
  });
});

describe('what fails for everybody', () => {
  it('is given up for the time being: nobody is put off whom nobody came to', async () => {
    await insertDue(data(), many(400, 'h1', NOON - DAY));
    let isAway = true;
    const { dueWork, again, asked } = asking(() => (isAway ? unanswered() : 'requested'), { perLane: 1_000 });
    expect(await dueWork.round(NOON)).toBe(false);
    expect(asked.length).toBeLessThan(2 * AT_ONCE);
    isAway = false;
    const tried = new Set(asked);
    asked.length = 0;
    await again().round(NOON);
    expect(asked).toHaveLength(400 - tried.size);
    expect(asked.filter((id) => tried.has(id))).toEqual([]);
  });
});

describe('whoever asks may die, or be two', () => {
  it('between the note and the request, or before the end of it: another one asks again under the same key', async () => {
    await insertDue(data(), [dueRow('atlas', 'h1', NOON)]);
    const keys: string[] = [];
    const never = new Promise<CarriedOut>(() => undefined);
    const dies = asking((item) => (keys.push(item.key), never));
    void dies.dueWork.round(NOON);
    await until(() => dies.asked.length > 0);
    const other = asking((item) => (keys.push(item.key), 'requested'));
    expect(await other.tick(NOON + 30_000)).toEqual([]);
    expect(await other.tick(NOON + 2 * MINUTE)).toEqual(['atlas']);
    expect(keys).toEqual(['atlas/1', 'atlas/1']);
  });

  it('and then each piece of work is asked for by one of them', async () => {
    await insertDue(data(), [...many(150, 'h1', NOON), ...many(150, 'h2', NOON)]);
    const { dueWork, again, asked } = asking(() => 'not-yet', { perLane: 100 });
    await Promise.all([dueWork.round(NOON + DAY), again().round(NOON + DAY)]);
    expect(asked.length).toBeGreaterThan(0);
    expect(new Set(asked).size).toBe(asked.length);
  });

  it('and what one of them has read before the other noted it is not noted twice', async () => {
    await insertDue(data(), [dueRow('atlas', 'h1', NOON)]);
    const tables = new DueTables(data());
    const read = async () =>
      (await tables.ready({ kind: 'backup', until: NOON }, { after: '', atMost: 5, perLane: 5, counts: [] })).work;
    const [one, other] = [await read(), await read()];
    const notes = (items: DueItem[]) =>
      items.map((item) => ({ item, after: item.attempts, notBefore: NOON + MINUTE, attempts: item.attempts + 1 }));
    expect(await tables.note('backup', notes(one))).toEqual({ noted: new Set(one), locked: new Set() });
    expect(await tables.note('backup', notes(other))).toEqual({ noted: new Set(), locked: new Set() });
  });

  it('and asks for nothing by tables that are behind what it asked for', async () => {
    await insertDue(data(), [dueRow('atlas', 'h1', NOON)]);
    const { tick, control } = asking();
    control.end = 11;
    expect(await tick(NOON)).toEqual(['atlas']);
    await insertDue(data(), [dueRow('atlas', 'h1', NOON)]);
    expect(await tick(NOON + DAY)).toEqual([]);
    control.reached = 11;
    expect(await tick(NOON + DAY)).toEqual(['atlas']);
  });

  it('and asks for nothing by tables that were put back, though it has asked for nothing yet', async () => {
    await insertDue(data(), [dueRow('atlas', 'h1', NOON)]);
    const { tick, control } = asking();
    expect(await tick(NOON - 1)).toEqual([]);
    control.reached = 9;
    expect(await tick(NOON)).toEqual([]);
    control.reached = 10;
    expect(await tick(NOON)).toEqual(['atlas']);
  });

  it('and asks for nothing that is being written anew, and waits for nobody', async () => {
    await insertDue(data(), [dueRow('atlas', 'h1', NOON)]);
    const { tick } = asking();
    await data().transaction(async (rows) => {
      await rows.query('DELETE FROM scheduler.due');
      expect(await tick(NOON)).toEqual([]);
      await insertDue(rows as never, [dueRow('atlas', 'h1', NOON)]);
    });
    expect(await tick(NOON)).toEqual(['atlas']);
  });
});

describe('a clock that was wrong', () => {
  const year = 365 * DAY;
  const counted = (id: string, at: number, waitsMs: number) =>
    dueRow(id, 'h1', at + waitsMs, { plausible_from: at - waitsMs });

  it('puts no work off for longer than twice what it waits: what is further ahead waits from now on', async () => {
    await insertDue(data(), [
      counted('ahead', NOON + year, HOUR),
      counted('a-little-ahead', NOON + 30 * MINUTE, HOUR),
      dueRow('limit', 'h1', NOON + year, { kind: 'limit' }),
    ]);
    const { tick } = asking();
    expect(await tick(NOON)).toEqual([]);
    expect(await tick(NOON + HOUR - 1)).toEqual([]);
    expect(await tick(NOON + HOUR)).toEqual(['ahead']);
    expect(await tick(NOON + 90 * MINUTE)).toEqual(['a-little-ahead']);
    expect(await asking(undefined, { kind: 'limit' }).tick(NOON)).toEqual([]);
  });

  it('of a leader changes nothing for the next one, however much there is of it', async () => {
    const count = 2_500;
    const rows = [...Array(count).keys()].map((n) => counted(`p-${n}`, NOON - HOUR, 10 * HOUR));
    await insertDue(data(), rows);
    const { again, asked } = asking();
    const look = async (now: number): Promise<string[]> => {
      const [before, leads] = [asked.length, again()];
      while (await leads.round(now)) continue;
      return asked.slice(before);
    };
    const moments = () =>
      data().query<object[]>('SELECT thing_id, ready_at, counted_from FROM scheduler.due ORDER BY thing_id');
    const right = await moments();
    for (const behind of [NOON - year, NOON - 2 * year]) expect(await look(behind)).toEqual([]);
    expect(await moments()).not.toEqual(right);
    expect(await look(NOON + 9 * HOUR - 1)).toEqual([]);
    expect(await moments()).toEqual(right);
  });

  it('of a leader that counted anew what an earlier one had set holds no work for the next one', async () => {
    await insertDue(data(), [counted('ahead', NOON + 20 * year, HOUR)]);
    const { tick } = asking();
    expect(await tick(NOON + 10 * year)).toEqual([]);
    expect(await tick(NOON)).toEqual([]);
    expect(await tick(NOON + HOUR)).toEqual(['ahead']);
  });

  it.each([-10 * year, -year, -8 * DAY, 0, 10 * year])(
    'by %i ms makes nothing due again and again that was done by right ones, nor for ever',
    async (off) => {
      const interval = 7 * DAY;
      let now = NOON;
      /** By the clock of the control plane, as an event of the log would have it. */
      const done: number[] = [];
      const verified = async (): Promise<'not-yet'> => {
        done.push(now);
        await data().query('DELETE FROM scheduler.due');
        await insertDue(data(), [dueRow('atlas', 'h1', now, { plausible_from: now, key: `atlas/${now}` })]);
        return Promise.resolve('not-yet');
      };
      await insertDue(data(), [dueRow('atlas', 'h1', NOON, { plausible_from: NOON })]);
      const leader = () => asking(verified, { afterMs: interval });
      const pass = async (forMs: number, clockOff: number): Promise<void> => {
        const { dueWork } = leader();
        for (const to = now + forMs; now < to; now += 4 * HOUR) await dueWork.round(now + clockOff);
      };
      await pass(21 * DAY, off);
      const [led, until] = [done.length, now];
      // One that is ahead sees all as overdue: it is the clock of the others that keeps what it does apart.
      if (off <= 0) expect(led).toBeLessThanOrEqual(3);
      if (off === 0) expect(led).toBe(2);
      await pass(70 * DAY, 0);
      const after = done.slice(led);
      expect(after.length).toBeGreaterThanOrEqual(9);
      expect(after.length).toBeLessThanOrEqual(11);
      expect(after[0]! - until).toBeLessThanOrEqual(interval + 4 * HOUR);
      for (const [n, at] of after.entries()) if (n > 0) expect(at - after[n - 1]!).toBeGreaterThan(interval - 1);
    },
  );

  it('holds no work for longer than anything is held', async () => {
    await insertDue(data(), [
      dueRow('held', 'h1', NOON - HOUR, { held_until: NOON + HOUR }),
      dueRow('held-for-ever', 'h1', NOON - HOUR, { held_until: NOON + year }),
    ]);
    const { tick } = asking();
    expect(await tick(NOON)).toEqual(['held-for-ever']);
    expect(await tick(NOON + HOUR)).toEqual(['held']);
  });

  it('of whoever asked puts no work off for long', async () => {
    await insertDue(data(), [dueRow('atlas', 'h1', NOON)]);
    const { tick } = asking(refuse);
    expect(await tick(NOON + 365 * DAY)).toEqual(['atlas']);
    expect(await tick(NOON + DAY)).toEqual(['atlas']);
    expect(await tick(NOON + DAY + 2 * LONGEST_PAUSE_MS)).toEqual(['atlas']);
  });

  it('of a project puts what failed off no less: its pause holds while its time is counted anew', async () => {
    await insertDue(data(), [counted('atlas', NOON + year, 0)]);
    const { tick } = asking(refuse);
    expect(await tick(NOON)).toEqual(['atlas']);
    for (let minutes = 1; minutes <= 60; minutes++) {
      // As the projection writes it when its host reports once more.
      const [at] = [new Date(NOON + year + minutes)];
      await data().query('UPDATE scheduler.due SET due_at = $1, plausible_from = $1', [at]);
      await tick(NOON + minutes * MINUTE);
    }
    const [row] = await data().query<{ attempts: number }[]>('SELECT attempts FROM scheduler.due');
    expect(row!.attempts).toBeLessThan(8);
  });
});
