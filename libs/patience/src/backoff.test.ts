import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Backoff } from './backoff.js';

describe('a back-off', () => {
  it('doubles up to its limit', () => {
    const backoff = new Backoff({ firstMs: 100, maxMs: 1_000, random: () => 1 });
    expect([1, 2, 3, 4, 5, 5_000].map((attempts) => backoff.delayMs(attempts))).toEqual([
      100, 200, 400, 800, 1_000, 1_000,
    ]);
  });

  it('waits no longer when it is told to end', async () => {
    const ending = new AbortController();
    const waiting = new Backoff({ firstMs: 600_000, maxMs: 600_000 }).pause(1, ending.signal);
    ending.abort();
    await expect(waiting).resolves.toBeUndefined();
  });

  it('is spread by chance between half and all of that', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempts, chance) => {
        const full = new Backoff({ firstMs: 100, maxMs: 60_000, random: () => 1 }).delayMs(attempts);
        const delay = new Backoff({ firstMs: 100, maxMs: 60_000, random: () => chance }).delayMs(attempts);
        expect(delay).toBeGreaterThanOrEqual(full / 2);
        expect(delay).toBeLessThanOrEqual(full);
      }),
    );
  });
});
