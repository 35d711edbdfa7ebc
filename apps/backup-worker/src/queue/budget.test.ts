import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Budget, type Cost } from './budget.js';

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('the budget of a host', () => {
  it('is never overspent, serves in order, and runs what is larger than all of it alone', async () => {
    const cost = fc.record({ cpus: fc.integer({ min: 1, max: 6 }), memoryBytes: fc.integer({ min: 0, max: 150 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(cost, { maxLength: 20 }), async (costs) => {
        const whole: Cost = { cpus: 4, memoryBytes: 100 };
        const budget = new Budget(whole);
        const running = new Set<number>();
        const order: number[] = [];
        await Promise.all(
          costs.map((one, index) =>
            budget.spend(one, async () => {
              running.add(index);
              order.push(index);
              const spent = (of: keyof Cost) =>
                [...running].reduce((sum, i) => sum + Math.min(costs[i]![of], whole[of]), 0);
              expect(spent('cpus')).toBeLessThanOrEqual(whole.cpus);
              expect(spent('memoryBytes')).toBeLessThanOrEqual(whole.memoryBytes);
              await settle();
              running.delete(index);
            }),
          ),
        );
        expect(order).toEqual(costs.map((_, index) => index));
      }),
    );
  });

  it('gets back what failed work had taken', async () => {
    const budget = new Budget({ cpus: 1, memoryBytes: 1 });
    const work = { cpus: 1, memoryBytes: 1 };
    await expect(budget.spend(work, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await expect(budget.spend(work, () => Promise.resolve('yes'))).resolves.toBe('yes');
  });

  it('is left by who gives up, and has what is behind that move up', async () => {
    const budget = new Budget({ cpus: 2, memoryBytes: 1 });
    const end = Promise.withResolvers<void>();
    const small = { cpus: 1, memoryBytes: 0 };
    const running = budget.spend(small, () => end.promise);
    const cancel = new AbortController();
    const large = budget.spend({ cpus: 2, memoryBytes: 0 }, () => Promise.resolve('large'), cancel.signal);
    const behind = budget.spend(small, () => Promise.resolve('behind'));
    expect(budget.waitingCount).toBe(2);
    cancel.abort(new Error('cancelled'));
    await expect(large).rejects.toThrow('cancelled');
    await expect(behind).resolves.toBe('behind');
    await expect(budget.spend(small, () => Promise.resolve(), cancel.signal)).rejects.toThrow('cancelled');
    end.resolve();
    await running;
    expect(budget.waitingCount).toBe(0);
  });
});
