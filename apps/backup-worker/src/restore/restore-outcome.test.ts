import { describe, expect, it } from '@jest/globals';
import type { PartialReason, RestoreResult } from '@buckets/contracts';
import { leftBy, whatIsMissing } from './restore-outcome.js';

const KEPT = { path: 'project', reason: 'kept: stood in its place' };
const LOST = { path: 'project/a', reason: 'lost: its content is damaged' };
const OTHER = { path: 'project/b', reason: 'owner: 1 instead of 2' };

function restored(first: RestoreResult['problems']['first'], total = first.length, lacks = 0): RestoreResult {
  return {
    backupId: 'b'.repeat(64),
    backupBeganAt: '2031-05-06T12:00:00.000Z',
    roots: ['project', 'persist'],
    files: 3,
    bytes: 5,
    problems: { total, first },
    lacks: { total: lacks, first: [] },
  };
}
const missing = (restore: RestoreResult, ...partialBecause: PartialReason[]) =>
  whatIsMissing(restore, { partialBecause });

describe('a restore', () => {
  it('that brought everything back is whole, whatever stood there before', () => {
    for (const restore of [restored([]), restored([KEPT, { ...KEPT, path: 'persist' }])]) {
      expect(missing(restore)).toBeUndefined();
    }
    expect(leftBy(restored([]))).toEqual({});
    expect(leftBy(restored([KEPT]))).toEqual({ left: [expect.stringContaining('.buckets/kept/')] });
  });

  it.each([
    ['of a damaged backup', restored([KEPT, LOST, OTHER], 150), /damaged: 149 entries could not be brought back/],
    ['with what could not be made', restored([OTHER]), /^1 entry could not be restored just as they were/],
    ['of a backup that lacks files', restored([], 0, 2), /lacks 2 files/],
  ])('%s is incomplete, and says why', (_, restore, reason) => {
    expect(missing(restore, 'unreadable-files')).toEqual({
      outcome: 'partial',
      code: 'incomplete-restore',
      reason: expect.stringMatching(reason),
    });
  });

  it('of a backup of which nobody knows what it lacks says just that', () => {
    expect(missing(restored([KEPT]), 'unwitnessed')).toMatchObject({
      code: 'unwitnessed',
      reason: expect.stringMatching(/brought back/),
    });
    expect(missing(restored([]), 'unwitnessed', 'shrunken')).toMatchObject({ code: 'incomplete-restore' });
  });
});
