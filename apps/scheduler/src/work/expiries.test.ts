import { describe, expect, it } from '@jest/globals';
import { Refused, Unanswered } from '@buckets/log';
import type { DueItem } from '../due/due-tables.js';
import { expiries } from './expiries.js';
import type { LimitedOperation } from './overdue.js';

const NOW = Date.parse('2031-05-06T12:00:00.000Z');
const MINUTE = 60_000;
const ITEM = { thingId: 'atlas', subject: 'o1', lane: 'eu-1', key: 'o1/queue', readyAt: NOW } as DueItem;
const waiting: LimitedOperation = {
  ...{ id: 'o1', projectId: 'atlas', hostId: 'eu-1', began: false },
  ...{ queueUntil: NOW, wholeUntil: NOW + 60 * MINUTE, cancelRequestedAt: null },
};

function expiriesOf(operation: LimitedOperation | null, expire: () => Promise<unknown> = () => Promise.resolve()) {
  const asked: string[] = [];
  const counted: string[] = [];
  const kinds = expiries({
    expire: ({ operationId, code }) => {
      asked.push(`${operationId} ${code}`);
      return expire();
    },
    tables: { open: () => Promise.resolve(operation) },
    hosts: { silentSince: () => null },
    cancelLimitMs: 2 * MINUTE,
    log: { info: () => undefined },
    ended: (code, outcome) => counted.push(`${code} ${outcome}`),
  });
  return { kinds, carryOut: (now: number) => kinds[0]!.carryOut(ITEM, now), asked, counted };
}

describe('an operation whose time is up', () => {
  it('is ended by the limit that it reached', async () => {
    const { carryOut, asked, counted, kinds } = expiriesOf(waiting);
    expect(await carryOut(NOW)).toBe('requested');
    expect(asked).toEqual(['o1 queue-limit']);
    expect(counted).toEqual(['queue-limit ended']);
    expect(kinds.map(({ kind, afterMs }) => [kind, afterMs])).toEqual([
      ['limit', 0],
      ['cancel', 2 * MINUTE],
    ]);
  });

  it('is left alone by a clock that has jumped back, and where it has ended already: it is looked at again', async () => {
    for (const [operation, now] of [
      [waiting, NOW - 1],
      [null, NOW],
    ] as const) {
      const { carryOut, asked } = expiriesOf(operation);
      expect(await carryOut(now)).toBe('not-yet');
      expect(asked).toEqual([]);
    }
  });

  it('stays where that is refused or nobody answers, and is counted', async () => {
    const refusal = new Refused({ code: 'operation-began', detail: 'It has begun.', retry: false });
    for (const [error, outcome] of [
      [refusal, 'refused'],
      [new Unanswered('s', null), 'failed'],
    ] as const) {
      const { carryOut, counted } = expiriesOf(waiting, () => Promise.reject(error));
      await expect(carryOut(NOW)).rejects.toBe(error);
      expect(counted).toEqual([`queue-limit ${outcome}`]);
    }
  });
});
