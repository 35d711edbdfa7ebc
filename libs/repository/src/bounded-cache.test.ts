import { describe, expect, it } from '@jest/globals';

import { BoundedCache } from './bounded-cache.js';

describe('a bounded cache', () => {
  const loads: string[] = [];
  const load = (key: string, bytes: number) => async () => {
    loads.push(key);
    return { value: key.toUpperCase(), bytes };
  };

  it('lets go of what was used least recently, and never holds more than its bytes', async () => {
    const cache = new BoundedCache<string>(10);
    for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) {
      expect(await cache.get(key, load(key, 4))).toBe(key.toUpperCase());
      expect(cache.bytes).toBeLessThanOrEqual(10);
    }
    expect(loads).toEqual(['a', 'b', 'c', 'b']);
    expect(await cache.get('too large', load('too large', 11))).toBe('TOO LARGE');
    expect(cache.bytes).toBeLessThanOrEqual(10);
  });

  it('loads once for all who ask at the same time, and again after a failure', async () => {
    const cache = new BoundedCache<string>(10);
    let calls = 0;
    const failOnce = async () => {
      calls += 1;
      await Promise.resolve();
      if (calls === 1) throw new Error('not now');
      return { value: 'x', bytes: 1 };
    };
    const both = await Promise.allSettled([cache.get('k', failOnce), cache.get('k', failOnce)]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(calls).toBe(1);
    expect(await Promise.all([cache.get('k', failOnce), cache.get('k', failOnce)])).toEqual(['x', 'x']);
    expect(calls).toBe(2);
  });
});
