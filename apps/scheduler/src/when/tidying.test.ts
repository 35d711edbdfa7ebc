import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DOUBT_MS, dueTidyings, MARGIN_MS, type UntidyProject } from './tidying.js';

const ENDED = Date.parse('2031-05-06T12:00:00.000Z');

const project = (more: Partial<UntidyProject> = {}): UntidyProject => ({
  ...{ id: 'atlas', orphansSince: ENDED, doubtsSince: null, inVain: undefined, removing: false, looking: false },
  ...more,
});
const ofKind = (kind: string, more: Partial<UntidyProject>) =>
  dueTidyings(project(more)).find((due) => due.kind === kind);

describe('a repository that may hold orphans', () => {
  it('is tidied an hour to two after the grace period of what may lie there, at other moments for others', () => {
    const anyId = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,20}$/);
    fc.assert(
      fc.property(anyId, (id) => {
        const afterMs = ofKind('orphans', { id })!.dueAt - ENDED;
        expect(afterMs).toBeGreaterThanOrEqual(MARGIN_MS);
        expect(afterMs).toBeLessThanOrEqual(2 * MARGIN_MS);
      }),
    );
    const moments = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => ofKind('orphans', { id })!.dueAt);
    expect(new Set(moments).size).toBe(6);
  });

  it('is asked for under the same key until a tidying has ended, and not while one is under way', () => {
    const { key } = ofKind('orphans', {})!;
    expect(ofKind('orphans', { looking: true })!.key).toBe(key);
    expect(ofKind('orphans', { orphansSince: ENDED + 1 })!.key).not.toBe(key);
    expect(ofKind('orphans', { removing: true, looking: true })).toBeUndefined();
  });
});

describe('a repository in which a backup may be missing', () => {
  const doubtful = { orphansSince: null, doubtsSince: ENDED };

  it('is looked through a minute after, and later each time that this was in vain', () => {
    expect(ofKind('doubts', doubtful)!.dueAt).toBe(ENDED + DOUBT_MS);
    const after = (times: number) => ofKind('doubts', { ...doubtful, inVain: { times, at: ENDED } })!.dueAt - ENDED;
    expect([1, 2, 3, 30].map(after)).toEqual([DOUBT_MS, 2 * DOUBT_MS, 4 * DOUBT_MS, 6 * 60 * DOUBT_MS]);
  });

  it('is left alone while somebody deletes from it, or looks already', () => {
    expect(ofKind('doubts', { ...doubtful, looking: true })).toBeUndefined();
  });
});
