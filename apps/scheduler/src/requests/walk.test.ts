import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Walk } from './walk.js';

const read = (ids: readonly string[]) => (page: { after: string; limit: number }) =>
  Promise.resolve(
    ids
      .filter((id) => id > page.after)
      .slice(0, page.limit)
      .map((id) => ({ id })),
  );

it('goes on where it was left, and begins again after the end', async () => {
  const walk = new Walk<{ id: string }>(2);
  const seen: string[] = [];
  const some = async (most: number) => {
    let left = most;
    for await (const { id } of walk.on(read(['a', 'b', 'c', 'd', 'e']))) {
      seen.push(id);
      if (--left === 0) return;
    }
  };
  await some(3);
  await some(10);
  await some(2);
  expect(seen.join('')).toBe('abc' + 'de' + 'ab');
});

it('comes by all, however often it is left, whatever comes and goes', async () => {
  const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
  const lefts = fc.array(fc.record({ most: fc.integer({ min: 1, max: 3 }), others: fc.uniqueArray(id) }), {
    minLength: 20,
    maxLength: 20,
  });
  await fc.assert(
    fc.asyncProperty(lefts, fc.integer({ min: 1, max: 4 }), id, async (walks, pageSize, always) => {
      const walk = new Walk<{ id: string }>(pageSize);
      const seen = new Set<string>();
      for (const { most, others } of walks) {
        let left = most;
        for await (const item of walk.on(read([...new Set([...others, always])].sort()))) {
          seen.add(item.id);
          if (--left === 0) break;
        }
      }
      expect(seen).toContain(always);
    }),
  );
});
