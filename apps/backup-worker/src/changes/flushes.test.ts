import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { until } from '@buckets/patience';
import { itWhereMountable, mountOn } from '../file-system/testing/mounts.js';
import { ClockWatch } from './clock-watch.js';
import { type Flushed, Flushes, type FlushesOptions } from './flushes.js';
import { TrialProject, temporaryFolderIsOnDisk } from './testing/trial-project.js';

let trial: TrialProject;
let problems: Error[];
beforeEach(() => {
  trial = new TrialProject();
  problems = [];
});
afterEach(() => trial[Symbol.dispose]());

const RECENT = 60_000;

const flushed = (flushes: Flushes, maxAgeMs: number, folder = trial.top): Promise<Flushed | undefined> =>
  flushes.flushed([folder], maxAgeMs, (error) => problems.push(error));

/** A disk whose flushes end when the test says so. */
function slowDisk(options: FlushesOptions = {}) {
  const going: PromiseWithResolvers<void>[] = [];
  const flush = (): Promise<void> => {
    const one = Promise.withResolvers<void>();
    going.push(one);
    return one.promise;
  };
  return { flushes: new Flushes({ flush, ...options }), going };
}

describe('a flush', () => {
  it('is told by when it began', async () => {
    const before = Date.now();
    const { at } = (await flushed(new Flushes(), 0))!;
    expect(at).toBeGreaterThanOrEqual(before);
    expect(at).toBeLessThanOrEqual(Date.now());
  });

  const onDisk = temporaryFolderIsOnDisk ? it : it.skip;
  onDisk('lets the next store into a mapped page be stamped', async () => {
    const file = trial.path('mapped');
    const store = await trial.mapped(file);
    await store(1);
    const { at } = (await flushed(new Flushes(), 0))!;
    await store(2);
    expect(trial.ctimeMs(file)).toBeGreaterThan(at - 50);
  });

  it('is made once for all who want one now, and again for who wants a later one', async () => {
    const { flushes, going } = slowDisk();
    const first = flushed(flushes, RECENT);
    await until(() => going.length === 1);
    const others = [flushed(flushes, RECENT), flushed(flushes, RECENT, trial.roots[0])];
    const later = flushed(flushes, 0);
    for (let turn = 0; turn < 10; turn++) await nextTurn();
    expect(going).toHaveLength(1);
    going[0]!.resolve();
    const one = await first;
    expect(await Promise.all(others)).toEqual([one, one]);
    await until(() => going.length === 2);
    going[1]!.resolve();
    expect((await later)!.steadyAt).toBeGreaterThan(one!.steadyAt);
    expect(await flushed(flushes, RECENT)).toEqual(await later);
    expect(going).toHaveLength(2);
  });

  it('that takes long is not waited for, and counts once it has ended', async () => {
    const { flushes, going } = slowDisk({ waitMs: 20 });
    expect(await flushed(flushes, RECENT)).toBeUndefined();
    expect(problems).toEqual([expect.objectContaining({ code: 'flush-takes-long' })]);
    expect(await flushed(flushes, RECENT)).toBeUndefined();
    expect(going).toHaveLength(1);
    going[0]!.resolve();
    await until(async () => (await flushed(flushes, RECENT)) !== undefined);
    expect(going).toHaveLength(1);
  });

  it('that fails is told, and the one before stays the last', async () => {
    let fails = false;
    const flushes = new Flushes({ flush: () => (fails ? Promise.reject(new Error('EIO')) : Promise.resolve()) });
    const before = await flushed(flushes, 0);
    fails = true;
    expect(await flushed(flushes, 0)).toBeUndefined();
    expect(problems).toEqual([new Error('EIO')]);
    expect(await flushed(flushes, RECENT)).toEqual(before);
  });

  it('from before the clock was set back is worth nothing', async () => {
    let back = 0;
    const flushes = new Flushes({ flush: () => Promise.resolve(), clock: new ClockWatch(() => Date.now() - back) });
    const before = await flushed(flushes, RECENT);
    expect(await flushed(flushes, RECENT)).toEqual(before);
    back = 86_400_000;
    expect((await flushed(flushes, RECENT))!.steadyAt).toBeGreaterThan(before!.steadyAt);
  });

  it('of a folder that is not there is none', async () => {
    expect(await flushed(new Flushes(), RECENT, trial.outside('nowhere'))).toBeUndefined();
    expect(problems).toEqual([]);
  });

  itWhereMountable('is of what is mounted below as well, and as old as the oldest', async () => {
    let times = 0;
    const flushes = new Flushes({ flush: () => Promise.resolve(void (times += 1)) });
    const before = await flushed(flushes, RECENT);
    const unmount = mountOn(trial.roots[0]!);
    try {
      expect(await flushed(flushes, RECENT)).toEqual(before);
      expect(times).toBe(2);
    } finally {
      unmount();
    }
  });
});
