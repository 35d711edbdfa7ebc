import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isRestorable, leavesInDoubt, newestFirst, onceAccepted, OUTCOMES, PARTIAL_REASONS } from './index.js';

describe('the order of backups', () => {
  const backup = (beganPosition: number, recordedPosition: number) => ({ beganPosition, recordedPosition });

  it('is that in which the log let them begin, and of one operation that in which they were told of', () => {
    const [unknown, first, second, again] = [backup(0, 90), backup(5, 80), backup(7, 9), backup(7, 20)];
    expect(newestFirst([first, unknown, again, second])).toEqual([again, second, first, unknown]);
  });

  it('is one and the same, however they come in and whatever else is known of them', () => {
    const one = fc.record({ beganPosition: fc.nat(9), recordedPosition: fc.nat(), beganAt: fc.date() });
    const all = fc.uniqueArray(one, { selector: ({ recordedPosition }) => recordedPosition });
    fc.assert(
      fc.property(
        all.chain((backups) =>
          fc.tuple(fc.constant(backups), fc.shuffledSubarray(backups, { minLength: backups.length })),
        ),
        ([backups, shuffled]) => expect(newestFirst(shuffled)).toEqual(newestFirst(backups)),
      ),
    );
  });
});

it('what is accepted can be restored, and lacks what it lacked besides', () => {
  fc.assert(
    fc.property(fc.subarray([...PARTIAL_REASONS]), (reasons) => {
      const left = onceAccepted(reasons);
      expect(isRestorable(left)).toBe(true);
      expect(isRestorable(reasons)).toBe(left.length === reasons.length);
      expect(reasons).toEqual(expect.arrayContaining(left));
    }),
  );
});

it('a deletion that ended without a word of its host leaves its backup in doubt', () => {
  expect(OUTCOMES.filter((outcome) => leavesInDoubt(outcome, undefined))).toEqual(['partial', 'failed', 'expired']);
  expect(leavesInDoubt('cancelled', 'cancel-unanswered')).toBe(true);
  expect(leavesInDoubt('succeeded', 'cancel-unanswered')).toBe(false);
});
