import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Refused, Unanswered } from '@buckets/log';
import { Limits } from './limits.js';
import type { LimitedOperation, OverdueOperation } from './overdue.js';

const NOW = Date.parse('2031-05-06T12:00:00.000Z');
const MINUTE = 60_000;
const TICK = 1_000;

const operation = (id: string, more: Partial<LimitedOperation> = {}): LimitedOperation => ({
  id,
  projectId: 'atlas',
  hostId: 'eu-1',
  began: false,
  queueUntil: NOW,
  wholeUntil: NOW + 60 * MINUTE,
  cancelRequestedAt: null,
  ...more,
});

interface Behaviour {
  expire?: (command: OverdueOperation) => Promise<{ position: number }>;
}

function limitsOf(operations: LimitedOperation[], { expire }: Behaviour = {}) {
  const control = { position: 10, steady: 0, underWay: 0, most: 0 };
  const asked: string[] = [];
  const counted: string[] = [];
  const limits = new Limits({
    tables: {
      reached: ({ after, limit }) =>
        Promise.resolve(
          operations
            .filter(({ id }) => id > after)
            .toSorted((a, b) => (a.id < b.id ? -1 : 1))
            .slice(0, limit),
        ),
    },
    hosts: { silentSince: () => null },
    position: () => Promise.resolve(control.position),
    expire: async (command) => {
      asked.push(`${command.operationId} ${command.code}`);
      control.most = Math.max(control.most, ++control.underWay);
      await new Promise(setImmediate);
      control.underWay--;
      return (await expire?.(command)) ?? { position: control.position + 1 };
    },
    clock: { now: () => control.steady },
    log: { info: () => undefined, warn: () => undefined },
    ended: (code, outcome) => counted.push(`${code} ${outcome}`),
    tickMs: TICK,
    cancelLimitMs: 2 * MINUTE,
  });
  return { limits, asked, counted, control };
}

describe('the limits', () => {
  it('have an operation ended once, and not again before the tables can show it', async () => {
    const { limits, asked, counted, control } = limitsOf([operation('o1')]);
    await limits.tick(NOW);
    control.steady += 60 * MINUTE;
    await limits.tick(NOW + TICK);
    expect(asked).toEqual(['o1 queue-limit']);
    expect(counted).toEqual(['queue-limit ended']);
  });

  it('go through all pages, a few commands at once', async () => {
    const many = Array.from({ length: 1_234 }, (_, index) => operation(`o-${index}`));
    const { limits, asked, control } = limitsOf(many);
    await limits.tick(NOW);
    expect(new Set(asked).size).toBe(1_234);
    expect(asked).toHaveLength(1_234);
    expect(control.most).toBe(16);
  });

  it('ask again after a refusal, later each time, and go on with the others meanwhile', async () => {
    const refusal = { code: 'operation-began', detail: 'It has begun.', retry: false };
    const refuse = ({ operationId }: OverdueOperation) =>
      operationId === 'o1' ? Promise.reject(new Refused(refusal)) : Promise.resolve({ position: 11 });
    const { limits, asked, counted, control } = limitsOf([operation('o1'), operation('o2')], { expire: refuse });
    await limits.tick(NOW);
    await limits.tick(NOW + TICK);
    expect(asked.toSorted()).toEqual(['o1 queue-limit', 'o2 queue-limit']);
    expect(counted).toContain('queue-limit refused');
    const pauses: number[] = [];
    for (let pausing = 0; pauses.length < 4; pausing++) {
      const before = asked.length;
      control.steady += TICK;
      await limits.tick(NOW + TICK);
      if (asked.length > before) pauses.push(pausing - pauses.reduce((sum, each) => sum + each, 0));
    }
    expect(pauses.at(-1)).toBeGreaterThan(pauses[0]!);
  });

  it('ask again within seconds when nobody answered', async () => {
    const { limits, asked, counted, control } = limitsOf([operation('o1')], {
      expire: () => Promise.reject(new Unanswered('s', null)),
    });
    await limits.tick(NOW);
    control.steady += TICK;
    await limits.tick(NOW + TICK);
    expect(asked).toHaveLength(2);
    expect(counted).toEqual(['queue-limit failed', 'queue-limit failed']);
  });

  it('end nothing while the tables are behind where they were', async () => {
    const operations: LimitedOperation[] = [];
    const { limits, asked, control } = limitsOf(operations);
    control.position = 20;
    await limits.tick(NOW);
    control.position = 5;
    operations.push(operation('o1'));
    await limits.tick(NOW + TICK);
    expect(asked).toEqual([]);
  });
});

it('however ticks and clocks go, each operation is ended once per limit while the tables have not moved, within a tick', async () => {
  const operations = fc.uniqueArray(
    fc.record({ id: fc.uuid(), queueUntil: fc.integer({ min: 0, max: 60_000 }), began: fc.boolean() }),
    { selector: ({ id }) => id, maxLength: 8 },
  );
  const jumps = fc.array(fc.integer({ min: -20_000, max: 20_000 }), { minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(operations, jumps, async (some, clock) => {
      const all = some.map(({ id, queueUntil, began }) =>
        operation(id, { queueUntil: NOW + queueUntil, wholeUntil: NOW + queueUntil + 10_000, began }),
      );
      const { limits, asked, control } = limitsOf(all);
      let now = NOW;
      const moments = clock.map((jump) => (now += jump));
      for (const moment of moments) {
        control.steady += TICK;
        await limits.tick(moment);
      }
      const limitOf = (each: LimitedOperation) => (each.began ? each.wholeUntil : each.queueUntil);
      const due = all.filter((each) => moments.some((moment) => moment >= limitOf(each)));
      expect(asked.toSorted()).toEqual(
        due.map((each) => `${each.id} ${each.began ? 'whole-limit' : 'queue-limit'}`).toSorted(),
      );
    }),
    { numRuns: 50 },
  );
});
