import { describe, expect, it } from '@jest/globals';
import { lookFor, orphanOf, sortOut, type Word } from './tidy.js';

const NOW = Date.parse('2031-02-03T04:05:06.789Z');
const GRACE = 24 * 3600;

const snapshot = (hours: number, tags = ['operation:op-1', 'kind:backup'], description?: string) => ({
  ...{ id: 'a', tags, description },
  timeNs: BigInt(NOW - hours * 3_600_000) * 1_000_000n,
});
const word = (changes: Partial<Word> = {}): Word => ({
  ...{ unknown: new Set('a'), open: new Set(), ended: new Set(['op-1']) },
  ...changes,
});

function becomesOf(
  of: ReturnType<typeof snapshot>,
  said: Partial<Word> = {},
  { isInHand = () => false, graceSeconds = GRACE }: Partial<Parameters<typeof sortOut>[2]> = {},
): 'none' | 'stays' | 'goes' | 'is told' {
  const { orphans, due, unexplained } = sortOut([of], word(said), { isInHand, graceSeconds, now: NOW });
  expect(due.filter((each) => unexplained.includes(each))).toEqual([]);
  if (orphans.length === 0) return 'none';
  if (unexplained.length > 0) return 'is told';
  return due.length > 0 ? 'goes' : 'stays';
}

describe('a snapshot that is no backup', () => {
  it('goes when its operation is known to have ended, and its grace period is over', () => {
    expect(becomesOf(snapshot(25))).toBe('goes');
    expect(becomesOf(snapshot(23))).toBe('stays');
  });

  it('stays while the operation that made it may come to an end yet', () => {
    expect(becomesOf(snapshot(25), { open: new Set(['op-1']) })).toBe('stays');
    expect(becomesOf(snapshot(25), {}, { isInHand: (id) => id === 'op-1' })).toBe('stays');
    expect(becomesOf(snapshot(25), { open: new Set(['op-2']) }, { isInHand: (id) => id === 'op-2' })).toBe('goes');
  });

  it('stays, and is told, when the log knows no operation that made it, however old it is', () => {
    expect(becomesOf(snapshot(10_000), { ended: new Set() }, { graceSeconds: 0 })).toBe('is told');
    expect(becomesOf(snapshot(10_000), { ended: new Set(['op-2']) }, { graceSeconds: 0 })).toBe('is told');
  });

  it.each([
    ['no operation', []],
    ['no operation, but tags of a person', ['mine', 'operation:']],
    ['more than one operation', ['operation:op-1', 'operation:op-2']],
  ])('stays when it names %s', (_, tags) => {
    const ended = new Set(['op-1', 'op-2']);
    expect(becomesOf(snapshot(10_000, tags), { ended }, { graceSeconds: 0 })).toBe('stays');
  });

  it('stays when its description names another operation than its tag', () => {
    const described = (operation: unknown) => snapshot(10_000, undefined, JSON.stringify({ operation }));
    expect(becomesOf(described('op-2'), { ended: new Set(['op-1', 'op-2']) })).toBe('stays');
    expect(becomesOf(described('op-1'))).toBe('goes');
  });

  it('stays when its clock is ahead', () => {
    expect(becomesOf(snapshot(-48))).toBe('stays');
  });

  it('is none when it is a backup', () => {
    expect(becomesOf(snapshot(10_000), { unknown: new Set() })).toBe('none');
  });
});

it.each([
  ['+012345-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z'],
  ['-000001-01-01T00:00:00Z', '0000-01-01T00:00:00.000Z'],
  ['2031-02-03T04:05:06.789Z', '2031-02-03T04:05:06.789Z'],
])('a snapshot that says to be of %s is told as one of %s, which a claim can hold', (said, at) => {
  const timeNs = BigInt(Date.parse(said)) * 1_000_000n;
  expect(orphanOf({ ...snapshot(0), timeNs }, new Set())).toMatchObject({ at });
});

describe('backups that a deletion may have removed', () => {
  const ids = ['a', 'b', 'c'];

  it('are said to be there, or gone', () => {
    expect(lookFor(ids, [{ id: 'b' }, { id: 'x' }])).toEqual({ there: ['b'], gone: ['a', 'c'] });
    expect(lookFor(ids, [])).toEqual({ there: [], gone: ids });
  });

  it('are none as a rule', () => {
    expect(lookFor([], [{ id: 'b' }])).toBeUndefined();
  });
});
