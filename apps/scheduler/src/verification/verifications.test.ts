import { describe, expect, it } from '@jest/globals';
import { Refused } from '@buckets/log';
import { Verifications } from './verifications.js';

const NOW = Date.parse('2031-05-06T12:00:00.000Z');
const INTERVAL = 72 * 60 * 60_000;
const MINUTE = 60_000;

function verificationsOf(ids: string[], request: (id: string) => Promise<unknown> = () => Promise.resolve()) {
  const asked: string[] = [];
  const outcomes: string[] = [];
  const control = { position: 10, steady: 0, due: [0, 0] };
  const verifications = new Verifications({
    tables: {
      due: ({ now, intervalMs, except, limit }) => {
        control.due = [now, intervalMs];
        const found = ids.filter((id) => !except.includes(id)).slice(0, limit);
        // Each request comes to an end at once: the next one is another.
        return Promise.resolve(found.map((id) => ({ projectId: id, key: `${id}/verify/${asked.length}` })));
      },
    },
    position: () => Promise.resolve(control.position),
    request: ({ projectId }) => {
      asked.push(projectId);
      return request(projectId);
    },
    clock: { now: () => control.steady },
    log: { warn: () => undefined },
    ended: (outcome) => outcomes.push(outcome),
    tickMs: 1_000,
    intervalMs: INTERVAL,
  });
  return { verifications, asked, outcomes, control };
}

describe('repositories that nobody has looked at for long', () => {
  it('are looked at a few at a time, and each once an hour at most, whatever clocks say', async () => {
    const { verifications, asked, control } = verificationsOf(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
    await verifications.tick(NOW);
    expect(control.due).toEqual([NOW, INTERVAL]);
    expect(asked).toEqual(['a', 'b', 'c', 'd', 'e']);
    await verifications.tick(2 * NOW);
    expect(asked.slice(5)).toEqual(['f', 'g']);
    control.steady += 60 * MINUTE - 1;
    await verifications.tick(2 * NOW);
    expect(asked).toHaveLength(7);
    control.steady += 1;
    await verifications.tick(NOW);
    expect(asked.slice(7)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('are left alone for an hour where that is refused, and are not looked for in tables that were put back', async () => {
    const no = new Refused({ code: 'too-many-operations', detail: 'No.', retry: false });
    const { verifications, asked, outcomes, control } = verificationsOf(['a'], () => Promise.reject(no));
    await verifications.tick(NOW);
    control.steady += 59 * MINUTE;
    await verifications.tick(NOW);
    expect([asked, outcomes]).toEqual([['a'], ['refused']]);
    control.steady += MINUTE;
    control.position = 9;
    await verifications.tick(NOW);
    expect(asked).toEqual(['a']);
    control.position = 10;
    await verifications.tick(NOW);
    expect(asked).toEqual(['a', 'a']);
  });
});
