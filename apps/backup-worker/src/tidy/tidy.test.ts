import { describe, expect, it } from '@jest/globals';
import { isDue, lookFor } from './tidy.js';

const hoursOld = (hours: number) => BigInt(Date.now() - hours * 3_600_000) * 1_000_000n;
const ENDED = () => false;
const GRACE = 24 * 3600;

describe('a snapshot that is no backup', () => {
  const snapshot = (hours: number, tags = ['operation:op-1', 'kind:backup']) => ({ tags, timeNs: hoursOld(hours) });

  it('goes when its grace period is over', () => {
    expect(isDue(snapshot(25), ENDED, GRACE)).toBe(true);
    expect(isDue(snapshot(23), ENDED, GRACE)).toBe(false);
  });

  it('stays while the operation that made it may come to an end yet', () => {
    expect(isDue(snapshot(25), (id) => id === 'op-1', GRACE)).toBe(false);
    expect(isDue(snapshot(25), (id) => id === 'op-2', GRACE)).toBe(true);
  });

  it('stays when the product did not make it, however old it is', () => {
    expect(isDue(snapshot(10_000, []), ENDED, 0)).toBe(false);
    expect(isDue(snapshot(10_000, ['mine', 'operation:']), ENDED, 0)).toBe(false);
  });

  it('stays when its clock is ahead', () => {
    expect(isDue(snapshot(-48), ENDED, GRACE)).toBe(false);
  });
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
