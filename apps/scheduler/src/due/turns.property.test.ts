import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { nextTurns, shareOut, type Waiting } from './turns.js';

const lane = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g');
const work: fc.Arbitrary<Waiting> = fc.record({ lane, readyAt: fc.integer({ min: 0, max: 1_000 }) });
const all = fc.array(work, { maxLength: 60 });
const atMost = fc.integer({ min: 1, max: 20 });

describe('whoever has work that is due', () => {
  it('has a turn before anybody has a second one', () => {
    fc.assert(
      fc.property(fc.uniqueArray(lane, { minLength: 1 }), lane, atMost, (waiting, first, some) => {
        let after: string = first;
        const turns: string[] = [];
        while (turns.length < waiting.length) {
          const next = nextTurns(waiting, { after, atMost: some });
          expect(new Set(next).size).toBe(next.length);
          turns.push(...next);
          after = next.at(-1)!;
        }
        expect(new Set(turns.slice(0, waiting.length))).toEqual(new Set(waiting));
      }),
    );
  });

  it('has as much of it done as anybody else, or all of it', () => {
    fc.assert(
      fc.property(all, atMost, (due, some) => {
        const chosen = shareOut(due, some);
        expect(chosen).toHaveLength(Math.min(some, due.length));
        const countOf = (of: readonly Waiting[], each: string) => of.filter((one) => one.lane === each).length;
        for (const a of due) {
          for (const b of due) {
            const [mine, others] = [countOf(chosen, a.lane), countOf(chosen, b.lane)];
            if (mine < countOf(due, a.lane)) expect(others).toBeLessThanOrEqual(mine + 1);
          }
        }
      }),
    );
  });

  it('has first done what has been due for longest', () => {
    fc.assert(
      fc.property(all, atMost, (due, some) => {
        const chosen = new Set(shareOut(due, some));
        for (const each of due.filter((one) => !chosen.has(one))) {
          for (const done of chosen)
            if (done.lane === each.lane) expect(done.readyAt).toBeLessThanOrEqual(each.readyAt);
        }
      }),
    );
  });
});
