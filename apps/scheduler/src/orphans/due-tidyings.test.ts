import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { dueTidyings, MARGIN_MS, type OrphanedProject } from './due-tidyings.js';

const ENDED = Date.parse('2031-05-06T12:00:00.000Z');
const GRACE = 24 * 60 * 60_000;
const project: OrphanedProject = { id: 'atlas', orphansSince: ENDED };

it('a repository is tidied an hour to two after the grace period of what may lie there, at other moments for others', () => {
  const anyId = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,20}$/);
  fc.assert(
    fc.property(anyId, (id) => {
      const at = (afterMs: number) => dueTidyings(ENDED + GRACE + afterMs, [{ id, orphansSince: ENDED }], GRACE).length;
      expect([at(MARGIN_MS - 1), at(2 * MARGIN_MS)]).toEqual([0, 1]);
    }),
  );
  const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
  const half = dueTidyings(
    ENDED + GRACE + 1.5 * MARGIN_MS,
    ids.map((id) => ({ id, orphansSince: ENDED })),
    GRACE,
  );
  expect(half.length).toBeGreaterThan(0);
  expect(half.length).toBeLessThan(ids.length);
});

it('the key stays the same until a tidying has ended', () => {
  const later = ENDED + GRACE + 2 * MARGIN_MS;
  const [first] = dueTidyings(later, [project], GRACE);
  expect(dueTidyings(later + 1, [project], GRACE)).toEqual([first]);
  expect(dueTidyings(2 * later, [{ ...project, orphansSince: later }], GRACE)[0]!.key).not.toBe(first!.key);
});
