import { describe, expect, it } from '@jest/globals';
import { DataKeyCache } from './data-key-cache.js';

describe('data keys in memory', () => {
  it('are bounded in number; those not used for longest go first', () => {
    const cache = new DataKeyCache({ entries: 2, maxAgeMs: 1_000 }, () => 0);
    for (const id of ['a', 'b']) cache.set(id, Buffer.from(id));
    cache.get('a');
    cache.set('c', Buffer.from('c'));

    expect(['a', 'b', 'c'].map((id) => cache.get(id)?.toString())).toEqual(['a', undefined, 'c']);
  });

  it('are bounded in time, however often they are used', () => {
    let now = 0;
    const cache = new DataKeyCache({ entries: 2, maxAgeMs: 1_000 }, () => now);
    cache.set('a', Buffer.from('a'));
    now = 999;
    expect(cache.get('a')).toBeDefined();
    now = 1_000;
    expect(cache.get('a')).toBeUndefined();
  });
});
