import { describe, expect, it } from '@jest/globals';
import { forEachInParallel, inParallel } from './in-parallel.js';

/** Work that ends when it is told to. */
function atHand() {
  const begun = new Map<number, { end: () => void; fail: (error: Error) => void }>();
  const work = (item: number) =>
    new Promise<void>((resolve, reject) => begun.set(item, { end: resolve, fail: reject }));
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  return { begun, work, settled };
}

async function* listing(count: number, closed: { isSo: boolean }): AsyncGenerator<number, void, void> {
  try {
    for (let each = 0; each < count; each++) yield await Promise.resolve(each);
  } finally {
    closed.isSo = true;
  }
}

describe('work in parallel', () => {
  it('gives the results in the order of the items, whichever ends first', async () => {
    const { begun, work, settled } = atHand();
    const results = inParallel([0, 1, 2], 2, async (item) => {
      await work(item);
      return item * 10;
    });
    await settled();
    expect([...begun.keys()]).toEqual([0, 1]);
    begun.get(1)!.end();
    await settled();
    begun.get(2)!.end();
    begun.get(0)!.end();
    expect(await results).toEqual([0, 10, 20]);
  });

  it('takes no more of a listing than it works on, and closes it', async () => {
    const { begun, work, settled } = atHand();
    const closed = { isSo: false };
    const all = forEachInParallel(listing(3, closed), 2, work);
    await settled();
    expect([...begun.keys()]).toEqual([0, 1]);
    begun.get(0)!.end();
    await settled();
    expect([...begun.keys()]).toEqual([0, 1, 2]);
    for (const { end } of begun.values()) end();
    await all;
    expect(closed.isSo).toBe(true);
  });

  it('begins nothing after a failure, and throws it once what is under way has ended', async () => {
    const { begun, work, settled } = atHand();
    const closed = { isSo: false };
    let thrown: unknown;
    const all = forEachInParallel(listing(9, closed), 2, work).catch((error: unknown) => (thrown = error));
    await settled();
    const failure = new Error('the bucket is away');
    begun.get(0)!.fail(failure);
    await settled();
    expect([...begun.keys()]).toEqual([0, 1]);
    expect(thrown).toBeUndefined();
    begun.get(1)!.fail(new Error('a later one'));
    await all;
    expect(thrown).toBe(failure);
    expect([...begun.keys()]).toEqual([0, 1]);
    expect(closed.isSo).toBe(true);
  });

  it('does nothing for nothing', async () => {
    expect(await inParallel([], 4, () => Promise.reject(new Error('never')))).toEqual([]);
  });
});
