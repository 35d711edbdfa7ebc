import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { HIGHEST_GENERATION, newGeneration } from './generation.js';

const random = fc.double({ min: 0, max: 0.999_999, noNaN: true });
/** What the product gives out in the life of a project: each recovery a step of a million at most. */
const honest = fc.array(fc.integer({ min: 1, max: 300_000_000 }), { maxLength: 20 });
const planted = fc.oneof(
  fc.integer({ min: 1, max: HIGHEST_GENERATION }),
  fc.integer({ min: HIGHEST_GENERATION - 2_000_000, max: HIGHEST_GENERATION }),
);

describe('the generation of a project that a log before this one may have known', () => {
  it('is above all that were told of, and two are hardly ever the same', () => {
    fc.assert(
      fc.property(honest, random, (told, at) => {
        const generation = newGeneration(told, () => at);
        for (const each of told) expect(generation).toBeGreaterThan(each);
      }),
    );
    expect(new Set(Array.from({ length: 50 }, () => newGeneration([]))).size).toBeGreaterThan(45);
  });

  it('is one that is believed, and that nobody told of, whatever was planted, recovery after recovery', () => {
    fc.assert(
      fc.property(fc.array(planted, { maxLength: 40 }), fc.array(random, { maxLength: 20 }), (plants, recoveries) => {
        const told = [...plants];
        for (const at of recoveries) {
          const generation = newGeneration(told, () => at);
          expect(generation).toBeGreaterThanOrEqual(1);
          // Assignments after it are believed, too.
          expect(generation + 1000).toBeLessThan(HIGHEST_GENERATION);
          expect(told).not.toContain(generation);
          told.push(generation);
        }
      }),
    );
  });

  it('stays above all others when the highest is planted', () => {
    fc.assert(
      fc.property(honest, random, (told, at) => {
        for (const plant of [HIGHEST_GENERATION, HIGHEST_GENERATION - 2_000_000]) {
          const generation = newGeneration([...told, plant], () => at);
          for (const each of told) expect(generation).toBeGreaterThan(each);
          expect(generation).toBeLessThan(plant);
        }
      }),
    );
  });
});
