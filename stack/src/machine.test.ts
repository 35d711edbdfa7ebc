import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { loadFor, measureMachine } from './machine.js';

describe('how much of the tests a machine carries', () => {
  it.each([
    ['two idle processors of ours', { processors: 2, strength: 2 }, 3],
    ['two that others use half of', { processors: 2, strength: 1 }, 2],
    ['two that are less than half as fast', { processors: 2, strength: 0.8 }, 1],
    ['next to nothing', { processors: 2, strength: 0.01 }, 1],
    ['eight', { processors: 8, strength: 8 }, 9],
  ])('with %s', (_, machine, files) => expect(loadFor(machine).files).toBe(files));

  it('always runs something, and waits longer the less it gets', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 256 }),
        fc.double({ min: 0.01, max: 1_000, noNaN: true }),
        fc.double({ min: 0.01, max: 1_000, noNaN: true }),
        (processors, one, other) => {
          const [less, more] = [one, other].toSorted((a, b) => a - b) as [number, number];
          const [weak, strong] = [less, more].map((strength) => loadFor({ processors, strength })) as [Load, Load];
          expect(weak.files).toBeGreaterThanOrEqual(1);
          expect(weak.files).toBeLessThanOrEqual(strong.files);
          expect(weak.patience).toBeGreaterThanOrEqual(strong.patience);
          expect(strong.patience).toBeGreaterThanOrEqual(2);
          expect(weak.patience).toBeLessThanOrEqual(20);
        },
      ),
    );
  });

  it('is measured by what threads get done', async () => {
    const { processors, strength } = await measureMachine();
    expect(processors).toBeGreaterThanOrEqual(1);
    expect(strength).toBeGreaterThan(0);
  });
});

type Load = ReturnType<typeof loadFor>;
