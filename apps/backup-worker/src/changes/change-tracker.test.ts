import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ChangeTracker, type ChangeTrackerOptions } from './change-tracker.js';
import { ClockWatch } from './clock-watch.js';
import { Flushes } from './flushes.js';
import type { ChangeCounter, ChangeReport } from '@buckets/contracts';
import { covers, equalCounters, freshnessOf, type ExistingBackup } from '@buckets/freshness';
import { until } from '@buckets/patience';
import { itWhereMountable, mountOn } from '../file-system/testing/mounts.js';
import { ScanFailed, scanTree } from './scan-tree.js';
import { TrialProject, temporaryFolderIsOnDisk } from './testing/trial-project.js';

let trial: TrialProject;
let tracker: ChangeTracker;
let reports: ChangeReport[];
let problems: Error[];

beforeEach(() => {
  trial = new TrialProject();
  trial.write(trial.path('folder/file'));
});
afterEach(async () => {
  await tracker.stopAll();
  trial[Symbol.dispose]();
});

const stateFolder = (): string => trial.outside('state');

/** A worker starts. Slow scans are as good as never unless the test asks for them. */
async function start(
  options: Partial<ChangeTrackerOptions> = {},
  project: { generation?: number; running?: boolean } = {},
) {
  reports = [];
  problems = [];
  tracker = new ChangeTracker({
    stateFolder: stateFolder(),
    report: (_, report) => reports.push(report),
    problem: (_, error) => problems.push(error),
    tickMs: 5,
    ...options,
  });
  await tracker.open('p1', trial.roots, project.generation ?? 1, { running: project.running });
}

async function restart(...how: Parameters<typeof start>): Promise<void> {
  await tracker.stopAll();
  await start(...how);
}

/** A backup that reads nothing: what counts is when it began. */
async function backup(): Promise<ChangeCounter> {
  const { counter, quiet } = await tracker.beginBackup('p1');
  expect(quiet).toBe(true);
  return counter;
}

/** As the control plane knows it. */
async function begunBackup(): Promise<Omit<ExistingBackup, 'backupId'>> {
  const of = {
    beganAt: Date.now(),
    beganPosition: 1,
    recordedPosition: 2,
    partialBecause: [],
    inDoubt: false,
    damaged: false,
  };
  return { ...of, counter: await backup() };
}

const covered = (counter: ChangeCounter): boolean => covers(counter, tracker.reportOf('p1'));
const lastReport = (): ChangeReport => reports.at(-1)!;

describe('a backup', () => {
  it('covers the project until something is written, and that is reported at once', async () => {
    await start();
    const counter = await backup();
    expect(covered(counter)).toBe(true);
    trial.write(trial.path('folder/new'));
    await until(() => !covers(counter, lastReport()));
    expect(lastReport().firstChanges).toEqual([{ epoch: counter.epoch, n: counter.n, at: expect.any(Number) }]);
  });

  it('still covers it after everything was read', async () => {
    await start({}, { running: true });
    const begun = await tracker.beginBackup('p1');
    readdirSync(trial.path(''), { recursive: true });
    readFileSync(trial.path('folder/file'));
    expect(await begun.release()).toMatchObject({ moved: false, displaced: false });
    expect(covered(begun.counter)).toBe(true);
  });

  it('knows whether the project changed while it read', async () => {
    await start();
    const begun = await tracker.beginBackup('p1');
    trial.write(trial.path('folder/new'));
    expect(await begun.release()).toMatchObject({ moved: true, displaced: false });
  });

  describe('that reads while its project is displaced does not count, though all is found as it was', () => {
    const displacements: [string, () => void | Promise<void>][] = [
      ['mounts are seen to come and go', () => tracker.remounted('p1')],
      [
        'it is let go of and looked after again',
        async () => {
          tracker.close('p1');
          await tracker.open('p1', trial.roots, 1);
        },
      ],
    ];
    it.each(displacements)('%s', async (_, happen) => {
      await start();
      const begun = await tracker.beginBackup('p1');
      await happen();
      expect(await begun.release()).toMatchObject({ moved: true, displaced: true });
      // The tree is the same again, so its counter would cover: that is why such a backup must not be recorded.
      await until(() => covers(begun.counter, tracker.reportOf('p1')));
    });

    itWhereMountable('something is mounted over a root until it ends', async () => {
      await start();
      const begun = await tracker.beginBackup('p1');
      const unmount = mountOn(trial.roots[0]!);
      try {
        expect(await begun.release()).toMatchObject({ moved: true, displaced: true });
      } finally {
        unmount();
      }
    });

    itWhereMountable('not by what was mounted there before, and stays', async () => {
      const unmount = mountOn(trial.write(trial.path('folder/mounted/x')).replace(/\/x$/, ''));
      try {
        await start();
        const begun = await tracker.beginBackup('p1');
        expect(await begun.release()).toMatchObject({ moved: false, displaced: false });
      } finally {
        unmount();
      }
    });
  });

  it('says since when what it has read can change no more without a later stamp', async () => {
    const before = Date.now();
    await start();
    const begun = await tracker.beginBackup('p1');
    const after = Date.now();
    const { settledBefore } = await begun.release();
    // Less the margin for coarse stamps.
    expect(settledBefore).toBeGreaterThanOrEqual(before - 2_000);
    expect(settledBefore).toBeLessThanOrEqual(after - 2_000);
  });

  it('has young files settled soon after, so that backups that follow without a change leave them unread', async () => {
    let scans = 0;
    await start({ tickMs: 20, scan: (order) => ((scans += 1), scanTree(order)) });
    const written = Date.now();
    await (await tracker.beginBackup('p1')).release();
    const looked = scans;
    await until(async () => ((await (await tracker.beginBackup('p1')).release()).settledBefore ?? 0) >= written);
    expect(scans).toBe(looked);
  });

  it('says no such moment when the disk has not written back, and is not quiet', async () => {
    await start({ flushes: new Flushes({ flush: () => Promise.reject(new Error('EIO')) }) });
    const begun = await tracker.beginBackup('p1');
    expect(begun.quiet).toBe(false);
    expect((await begun.release()).settledBefore).toBeUndefined();
    expect(problems).toContainEqual(new Error('EIO'));
  });

  it('says no such moment when the clock is set back while it reads', async () => {
    let back = 0;
    await start({ flushes: new Flushes({ clock: new ClockWatch(() => Date.now() - back) }) });
    const begun = await tracker.beginBackup('p1');
    back = 86_400_000;
    expect((await begun.release()).settledBefore).toBeUndefined();
  });

  it('begins at once when the project has not changed since the last one', async () => {
    await start();
    const first = await backup();
    expect(await backup()).toEqual(first);
  });

  it('is not quiet in a project that never rests, and never covers it', async () => {
    await start();
    const writing = new AbortController();
    const restless = (async () => {
      while (!writing.signal.aborted) {
        appendFileSync(trial.path('folder/file'), 'x');
        await delay(1);
      }
    })();
    const begun = await tracker.beginBackup('p1');
    writing.abort();
    await restless;
    expect(begun.quiet).toBe(false);
    expect(await begun.release()).toMatchObject({ moved: true, displaced: false });
    expect(covered(begun.counter)).toBe(false);
  });

  it('does not wait for a slow scan that is under way', async () => {
    for (let i = 0; i < 600; i++) trial.write(trial.path(`many/${i}`));
    await start({ entriesPerSecond: 1, tickMs: 1 });
    await backup();
  });
});

describe('a restarted worker', () => {
  it('takes nothing for covered until its scan finds the tree as it was', async () => {
    await start();
    const counter = await backup();
    await restart();
    expect(covered(counter)).toBe(false);
    await until(() => covers(counter, lastReport()));
    expect(lastReport().counter.epoch).not.toBe(counter.epoch);
  });

  const losses: [string, () => unknown, number][] = [
    ['something was written meanwhile', () => trial.write(trial.path('folder/new')), 1],
    ['its state is lost', () => rmSync(stateFolder(), { recursive: true }), 1],
    ['its state is not readable', () => writeFileSync(join(stateFolder(), 'p1.json'), '{"version":1,'), 1],
    [
      'its state is of another kind',
      () => writeFileSync(join(stateFolder(), 'p1.json'), '{"version":1,"backups":[7]}'),
      1,
    ],
    ['the clock was set back meanwhile', () => rememberedAt(Date.now() + 3_600_000), 1],
    ['the project has another generation', () => {}, 2],
  ];
  const rememberedAt = (at: number) => {
    const file = join(stateFolder(), 'p1.json');
    const kept = JSON.parse(readFileSync(file, 'utf8')) as { at: number };
    expect(kept.at).toBeLessThanOrEqual(Date.now());
    writeFileSync(file, JSON.stringify({ ...kept, at }));
  };
  it.each(losses)('takes nothing for covered if %s', async (_, happen, generation) => {
    await start();
    const counter = await backup();
    await tracker.stopAll();
    happen();
    await start({}, { generation });
    await until(() => tracker.reportOf('p1').scannedAt !== undefined);
    expect(covered(counter)).toBe(false);
  });
});

describe('a slow scan', () => {
  const onDisk = temporaryFolderIsOnDisk ? it : it.skip;

  onDisk('finds what was stored into a mapped file, which no watcher sees', async () => {
    const store = await trial.mapped(trial.path('mapped'));
    await start({ scanEveryMs: 100 });
    const counter = await backup();
    await store(7);
    await until(() => !covers(counter, lastReport()));
    expect(lastReport().lastChangeSource).toMatch(/scan|watcher-renewed/);
  });

  it('finds what was written through a hard link from outside, which no watcher sees', async () => {
    linkSync(trial.path('folder/file'), trial.outside('linked'));
    await start({ scanEveryMs: 100 });
    const counter = await backup();
    appendFileSync(trial.outside('linked'), 'more');
    await until(() => !covers(counter, lastReport()));
  });

  it('finds changes of a project that cannot be watched', async () => {
    await start({ maxWatchedFolders: 1, scanUnwatchedEveryMs: 100 });
    const counter = await backup();
    expect(tracker.reportOf('p1').watched).toBe(false);
    expect(problems).toEqual([expect.objectContaining({ code: 'watch-limit-reached' })]);
    trial.write(trial.path('folder/new'));
    await until(() => !covers(counter, lastReport()));
  });

  it('that finds nothing is reported all the same, with how long ago it began', async () => {
    await start({ scanEveryMs: 50, reportEveryMs: 10 });
    const counter = await backup();
    reports = [];
    await until(() => reports.length >= 3);
    for (const { lookedMs, lookEveryMs } of reports) {
      expect(lookEveryMs).toBe(50);
      expect(lookedMs).toBeGreaterThanOrEqual(0);
    }
    expect(covered(counter)).toBe(true);
  });

  it('comes as often to what cannot be watched as to all else', async () => {
    await start({ maxWatchedFolders: 1, scanEveryMs: 50, reportEveryMs: 10 });
    const counter = await backup();
    await until(() => lastReport().lookEveryMs === 50 && !lastReport().watched);
    trial.write(trial.path('folder/new'));
    await until(() => !covers(counter, lastReport()));
  });

  it.each([true, false])('that cannot be done any more leaves the last one behind (watched: %s)', async (watched) => {
    let isBroken = false;
    const scan: typeof scanTree = (options) =>
      isBroken ? Promise.reject(new ScanFailed('/x', new Error('EIO'))) : scanTree(options);
    await start({ scan, scanEveryMs: 20, ...(watched ? {} : { maxWatchedFolders: 1 }) });
    const backups = [{ ...(await begunBackup()), backupId: 'b1' }];
    const judged = () => {
      const now = Date.now();
      const facts = { generation: 1, provisioned: true, createdAt: 0, outsideChanges: [], backups };
      const heard = { report: tracker.reportOf('p1'), hostSeenAt: now, reportHeardAt: now, silenceLimitMs: 1_000 };
      return freshnessOf({ ...facts, ...heard }, now);
    };
    expect(judged()).toMatchObject({ freshness: 'fresh', ...(watched ? {} : { watched: false }) });
    isBroken = true;
    await until(() => problems.filter((error) => error instanceof ScanFailed).length >= 3);
    const { lookedMs } = tracker.reportOf('p1');
    await until(() => tracker.reportOf('p1').lookedMs! > lookedMs! + 100);
    isBroken = false;
    await until(() => tracker.reportOf('p1').lookedMs! < lookedMs! + 100);
    expect(judged().freshness).toBe('fresh');
  });

  it('takes back a needless raise', async () => {
    await start({ scanEveryMs: 100 });
    const counter = await backup();
    tracker.raise('p1', 'agent-edit');
    expect(covers(counter, lastReport())).toBe(false);
    await until(() => covers(counter, lastReport()));
  });
});

describe('a running project', () => {
  it('counts as changed over and over if it cannot be watched, and no scan says otherwise', async () => {
    await start({ maxWatchedFolders: 1, raiseUnwatchedEveryMs: 100, reportEveryMs: 100, scanUnwatchedEveryMs: 100 });
    const counter = await backup();
    tracker.setRunning('p1', true);
    await until(() => lastReport().counter.n >= counter.n + 3);
    expect(lastReport()).toMatchObject({ running: true, watched: false, lastChangeSource: 'running-unwatched' });
    expect(covered(counter)).toBe(false);
    tracker.setRunning('p1', false);
    await until(() => covers(counter, lastReport()));
  });
});

describe('reports', () => {
  it('of many changes are few, and the last one is true', async () => {
    await start({ reportEveryMs: 100 });
    await backup();
    reports = [];
    for (let i = 0; i < 2_000; i++) tracker.raise('p1', 'fs-api');
    const { n } = tracker.reportOf('p1').counter;
    await until(() => lastReport().counter.n === n);
    expect(reports.length).toBeLessThan(10);
    expect(reports[0]!.counter.n).toBe(n - 1_999);
  });

  it('of all projects come again on request, and by themselves', async () => {
    await start({ reportAllEveryMs: 100 });
    reports = [];
    tracker.reportAll();
    expect(reports).toEqual([expect.objectContaining({ counter: tracker.reportOf('p1').counter, watched: true })]);
    await until(() => reports.length >= 2);
  });
});

describe('a new epoch', () => {
  const beginnings: [string, () => void | Promise<void>][] = [
    ['a restore', () => tracker.restored('p1')],
    ['a new generation', () => tracker.moveToGeneration('p1', 2)],
    ['being opened for a new generation', () => tracker.open('p1', trial.roots, 2)],
  ];
  it.each(beginnings)('begins with %s, and no backup from before covers it', async (_, happen) => {
    await start({ scanEveryMs: 100 });
    const before = await backup();
    await happen();
    expect(lastReport().counter).not.toMatchObject({ epoch: before.epoch });
    await until(() => (tracker.reportOf('p1').scannedAt ?? 0) > lastReport().epochBeganAt);
    expect(covered(before)).toBe(false);
    const after = await backup();
    expect(covered(after)).toBe(true);
    expect(tracker.reportOf('p1').sameAs).toEqual([]);
  });
});

describe('a swap by the worker itself', () => {
  const swapRoots = () => {
    renameSync(trial.roots[0]!, trial.outside('old'));
    mkdirSync(trial.roots[0]!);
  };

  it('tells how it stood right before, and its own renames are no changes', async () => {
    await start();
    const counter = await backup();
    const told = reports.length;
    const before = await tracker.whileSwapping('p1', async (lastWord) => {
      const last = await lastWord();
      swapRoots();
      await until(() => !equalCounters(tracker.reportOf('p1').counter, counter));
      tracker.reportAll();
      expect(reports).toHaveLength(told);
      return last;
    });
    expect(before).toMatchObject({ counter, sameAs: [] });
    expect(new Set(reports.slice(told).map((report) => report.counter.epoch))).not.toContain(counter.epoch);
    expect(reports.length).toBeGreaterThan(told);
  });

  it('tells what was changed until the last word on what stood there', async () => {
    await start();
    const counter = await backup();
    const before = await tracker.whileSwapping('p1', async (lastWord) => {
      trial.write(trial.path('late'));
      return lastWord();
    });
    expect(before!.counter).not.toEqual(counter);
    expect(before!.firstChanges).toEqual([{ epoch: counter.epoch, n: counter.n, at: expect.any(Number) }]);
  });

  it('tells of what is looked after by then, whatever was closed since it was begun', async () => {
    await start();
    await backup();
    await tracker.whileSwapping('p1', async (lastWord) => {
      tracker.close('p1');
      await tracker.open('p1', trial.roots, 1);
      expect(await lastWord()).toMatchObject({ counter: tracker.reportOf('p1').counter });
    });
  });

  it('that fails leaves the project as changed as it is, which is told at once', async () => {
    await start();
    const counter = await backup();
    const failing = tracker.whileSwapping('p1', async (lastWord) => {
      await lastWord();
      swapRoots();
      await until(() => !equalCounters(tracker.reportOf('p1').counter, counter));
      throw new Error('stuck');
    });
    await expect(failing).rejects.toThrow('stuck');
    expect(covers(counter, lastReport())).toBe(false);
  });
});

it('a project that is not open, or no longer, is refused', async () => {
  await start();
  expect(() => tracker.raise('p2', 'fs-api')).toThrow(expect.objectContaining({ code: 'project-not-tracked' }));
  tracker.close('p1');
  await expect(tracker.beginBackup('p1')).rejects.toMatchObject({ code: 'project-not-tracked' });
});

it('what is remembered makes no folder above its own: it may be that of a data root that is away', async () => {
  const above = trial.outside('away');
  await start({ stateFolder: join(above, 'state') });
  await backup();
  await until(() => problems.length > 0);
  expect(existsSync(above)).toBe(false);
});

it('state that cannot be written is said, and keeps nothing else from working', async () => {
  trial.write(stateFolder(), 'a file where the folder should be');
  await start();
  const counter = await backup();
  await until(() => problems.length > 0);
  expect(covered(counter)).toBe(true);
});
