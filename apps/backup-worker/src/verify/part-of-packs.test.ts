import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { drawPart, isInPart } from './part-of-packs.js';

const packId = fc.stringMatching(/^[0-9a-f]{64}$/);

it('each pack is in one part of all', () => {
  fc.assert(
    fc.property(packId, fc.integer({ min: 1, max: 50 }), (id, of) => {
      const parts = Array.from({ length: of }, (_, n) => n).filter((n) => isInPart(id, { n, of }));
      expect(parts).toHaveLength(1);
    }),
  );
});

it('a part is at least as large as was asked for, and each one may be drawn', () => {
  const share = fc.double({ min: 0.0001, max: 1, noNaN: true });
  fc.assert(
    fc.property(share, fc.double({ min: 0, max: 0.999_999, noNaN: true }), (wanted, random) => {
      const { n, of } = drawPart(wanted, () => random);
      expect(1 / of).toBeGreaterThanOrEqual(wanted);
      expect(n).toBeGreaterThanOrEqual(0);
      expect(n).toBeLessThan(of);
    }),
  );
  expect(drawPart(1)).toEqual({ n: 0, of: 1 });
  expect(drawPart(0.25, () => 0.99)).toEqual({ n: 3, of: 4 });
});

it('is taken by the first bytes of the id as rustic has them', () => {
  // 0x01020304 in the order of the least byte first.
  expect(isInPart(`04030201${'0'.repeat(56)}`, { n: 0x01020304 % 7, of: 7 })).toBe(true);
});
