import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChangeCounter, ChangeReport } from '@buckets/contracts';
import { covers } from '@buckets/freshness';
import { until } from '@buckets/patience';
import { ChangeTracker } from '../changes/index.js';
import { DataRootMissingError, Disk, HostFolders, ProvisionedRecords } from '../host-data/index.js';
import { itWhereMountable, mountOn } from '../file-system/testing/mounts.js';
import { LocalProjects } from './local-projects.js';
import { ProjectMounts } from './mounts.js';

jest.setTimeout(60_000);

const never = new AbortController().signal;
let folders: HostFolders;
let records: ProvisionedRecords;
let disk: FaultyDisk;
let isMounted: boolean;
let tracker: ChangeTracker;
let projects: LocalProjects;
let reports: Map<string, ChangeReport>;
let warnings: unknown[];
let assigned: { projectId: string; generation: number; running: boolean; provisioned: boolean }[];

/** Answers with an error of the system for the records that a test names. */
class FaultyDisk extends Disk {
  readonly faults = new Map<string, string>();
  override readRecord(file: string): Promise<unknown> {
    const code = this.faults.get(file);
    return code === undefined ? super.readRecord(file) : Promise.reject(Object.assign(new Error(code), { code }));
  }
}

beforeEach(async () => {
  folders = new HostFolders(await mkdtemp(join(tmpdir(), 'buckets-local-')));
  await mkdir(folders.own);
  disk = new FaultyDisk();
  isMounted = true;
  records = new ProvisionedRecords(folders, disk, () =>
    isMounted ? Promise.resolve() : Promise.reject(new DataRootMissingError('It is not mounted.')),
  );
  assigned = [];
  for (const id of ['good-1', 'bad', 'good-2']) await provision(id);
  start();
});
afterEach(async () => {
  await tracker.stopAll();
  await rm(folders.dataRoot, { recursive: true });
});

async function provision(projectId: string, generation = 1): Promise<void> {
  await records.createEmpty(projectId, generation);
  await writeFile(join(folders.root(projectId, 'project'), 'file'), projectId);
  assigned.push({ projectId, generation, running: false, provisioned: true });
}

/** A worker starts, and has not learned yet. */
function start(): void {
  reports = new Map();
  warnings = [];
  const report = (projectId: string, told: ChangeReport) => void reports.set(projectId, told);
  const stateFolder = join(folders.own, 'changes');
  const rootsMoved = (projectId: string) => void projects.lookAgain(projectId);
  tracker = new ChangeTracker({
    stateFolder,
    report,
    problem: () => undefined,
    scanEveryMs: 100,
    tickMs: 5,
    rootsMoved,
  });
  const controlPlane = { ask: () => Promise.resolve({ items: assigned }) } as never;
  const log = { info: () => undefined, warn: (...all: unknown[]) => void warnings.push(all) };
  projects = new LocalProjects(controlPlane, folders, records, tracker, log as never, report);
}

const learn = () => projects.learn(never);
const tracked = () => ['good-1', 'bad', 'good-2'].filter((id) => tracker.isTracked(id));
const project = (id: string) => folders.root(id, 'project');

async function backup(projectId: string): Promise<ChangeCounter> {
  const { counter, quiet } = await tracker.beginBackup(projectId);
  expect(quiet).toBe(true);
  return counter;
}
const covered = (projectId: string, counter: ChangeCounter) => covers(counter, reports.get(projectId)!);

describe('one project that cannot be read', () => {
  it.each(['EIO', 'ESTALE', 'ENOTCONN'])(
    'keeps no other from being looked after, and is found again (%s)',
    async (code) => {
      disk.faults.set(folders.provisionedRecord('bad'), code);
      await learn();
      expect(tracked()).toEqual(['good-1', 'good-2']);
      expect(projects.inTrouble).toEqual(['bad']);
      expect(projects.inTroubleInWords()).toContain('bad (unreadable)');
      expect(reports.get('bad')).toMatchObject({ trouble: 'unreadable', counter: { generation: 1 }, sameAs: [] });

      disk.faults.clear();
      await projects.lookAtLost(never);
      expect(tracked()).toEqual(['good-1', 'bad', 'good-2']);
      expect(projects.inTroubleInWords()).toBeNull();
      expect(reports.get('bad')!.trouble).toBeUndefined();
    },
  );

  it('with a folder in the place of its record', async () => {
    const file = folders.provisionedRecord('bad');
    const record = await readFile(file);
    await rm(file);
    await mkdir(file);
    await learn();
    expect([tracked(), projects.troubleOf('bad')]).toEqual([['good-1', 'good-2'], 'unreadable']);
    await rm(file, { recursive: true });
    await writeFile(file, record);
    await projects.lookAtLost(never);
    expect(tracked()).toContain('bad');
  });

  it('is told again on request, and said once', async () => {
    disk.faults.set(folders.provisionedRecord('bad'), 'EIO');
    await learn();
    reports.clear();
    await projects.lookAtAll(never);
    expect(reports.has('bad')).toBe(false);
    projects.reportAll();
    expect(reports.get('bad')).toMatchObject({ trouble: 'unreadable' });
    expect(warnings.length).toBe(2);
  });
});

describe('a swap by the worker itself', () => {
  const replace = async (what: 'all' | 'the data only') => {
    await rename(project('bad'), `${folders.project('bad')}-old`);
    let hasLooked = false;
    void projects.lookAgain('bad').then(() => (hasLooked = true));
    // A look does this once.
    for (let inspected = 0; inspected < 20; inspected++) await records.inspect('bad', 1);
    expect(hasLooked).toBe(false);
    await mkdir(project('bad'));
    if (what === 'all') await records.adopt('bad', 1);
  };

  it('is no trouble of its project, whoever looks in the middle of it', async () => {
    await learn();
    const counter = await backup('bad');
    const last = await projects.whileSwapping('bad', async (lastWord) => {
      const word = await lastWord();
      await replace('all');
      return word;
    });
    await projects.lookAtAll(never);
    expect(last).toMatchObject({ counter });
    expect([warnings, projects.inTrouble]).toEqual([[], []]);
    expect(reports.get('bad')!.counter.epoch).not.toBe(counter.epoch);
    expect(tracked()).toContain('bad');
  });

  it('waits for the look that is under way, so that none comes between its permission and the last word', async () => {
    await learn();
    tracker.close('bad');
    void projects.watch('bad', 1, { running: false });
    await projects.whileSwapping('bad', async () => expect(tracked()).toContain('bad'));
    await projects.lookAtAll(never);
  });

  it.each(['done', 'failed'])('that leaves what is not the project’s is told at once (%s)', async (how) => {
    await learn();
    const swapping = projects.whileSwapping('bad', async (lastWord) => {
      await lastWord();
      await replace('the data only');
      if (how === 'failed') throw new Error('stuck');
    });
    if (how === 'failed') await expect(swapping).rejects.toThrow('stuck');
    else await swapping;
    await until(() => reports.get('bad')?.trouble !== undefined);
    expect(projects.inTrouble).toEqual(['bad']);
  });
});

describe('data that were away', () => {
  const away = () => `${folders.project('bad')}-away`;

  it('when the host learned of its projects are found by themselves, and looked after', async () => {
    await rename(folders.project('bad'), away());
    await learn();
    expect(projects.troubleOf('bad')).toBe('data-missing');
    const stop = new AbortController();
    const looking = projects.keepLooking(stop.signal);
    await rename(away(), folders.project('bad'));
    await until(() => tracker.isTracked('bad') && reports.get('bad')!.trouble === undefined);
    stop.abort();
    await looking;
  });

  it.each(['the folder', 'a root'])(
    'are missed at once when %s is taken away, whether anybody looks or not',
    async (what) => {
      await learn();
      await rm(what === 'a root' ? folders.root('bad', 'persist') : folders.project('bad'), { recursive: true });
      await until(() => reports.get('bad')?.trouble === 'data-missing');
      expect(tracked()).toEqual(['good-1', 'good-2']);
    },
  );

  it('later on are no longer vouched for, and covered again only when a scan has found them as they were', async () => {
    await learn();
    const counter = await backup('bad');
    expect(covered('bad', counter)).toBe(true);
    await rename(folders.project('bad'), away());
    await projects.lookAtAll(never);
    expect(covered('bad', counter)).toBe(false);
    await rename(away(), folders.project('bad'));
    await projects.lookAtAll(never);
    expect(reports.get('bad')!.counter.epoch).not.toBe(counter.epoch);
    await until(() => covered('bad', counter));
  });
});

describe('a data root that is not there', () => {
  it('puts all that were brought to it in trouble, and none of them is looked after until it is back', async () => {
    assigned.push({ projectId: 'new', generation: 1, running: false, provisioned: false });
    await learn();
    isMounted = false;
    await projects.lookAtAll(never);
    expect(tracked()).toEqual([]);
    expect(projects.inTrouble.toSorted()).toEqual(['bad', 'good-1', 'good-2']);
    expect(reports.get('good-1')).toMatchObject({ trouble: 'data-root-missing' });
    isMounted = true;
    await projects.lookAtAll(never);
    expect(tracked()).toEqual(['good-1', 'bad', 'good-2']);
    expect(projects.inTrouble).toEqual([]);
  });

  it('does not keep the host from learning which projects are its own', async () => {
    isMounted = false;
    await learn();
    expect(projects.count).toBe(3);
    expect(projects.troubleOf('bad')).toBe('data-root-missing');
  });
});

describe('the data of another assignment', () => {
  it('are not looked after, and told as what they are', async () => {
    assigned = assigned.map((item) => (item.projectId === 'bad' ? { ...item, generation: 3 } : item));
    await learn();
    expect(tracked()).toEqual(['good-1', 'good-2']);
    expect(reports.get('bad')).toMatchObject({ trouble: 'other-assignment', counter: { generation: 3 } });
  });

  it('are let go of as soon as the assignment changes', async () => {
    await learn();
    await projects.watch('bad', 2, { running: false });
    expect(tracker.isTracked('bad')).toBe(false);
    expect(projects.troubleOf('bad')).toBe('other-assignment');
    await records.adopt('bad', 2);
    await projects.watch('bad', 2, { running: false });
    expect(tracker.reportOf('bad').counter.generation).toBe(2);
  });
});

describe('a mount', () => {
  itWhereMountable(
    'over a root hides what was backed up: that is told, and no backup covers what stands there',
    async () => {
      await learn();
      const mounts = new ProjectMounts(folders.dataRoot);
      await projects.lookAtMounts(mounts, never);
      // Where the disk is busy with others, a backup may have to do without a reference, and covers nothing.
      const covering = async () => {
        const began = await backup('good-1');
        return covered('good-1', began) ? began : undefined;
      };
      const counter = await until(covering);

      const unmount = mountOn(project('good-1'));
      try {
        await writeFile(join(project('good-1'), 'new'), 'in no backup');
        await projects.lookAtMounts(mounts, never);
        expect(reports.get('good-1')).toMatchObject({ trouble: 'hidden' });
        expect(covered('good-1', counter)).toBe(false);
        expect(tracker.isTracked('good-1')).toBe(false);
      } finally {
        unmount();
      }
      await projects.lookAtMounts(mounts, never);
      expect(reports.get('good-1')!.trouble).toBeUndefined();
      await until(() => covered('good-1', counter));
    },
  );

  itWhereMountable('of an empty file system over a root is told in the same way', async () => {
    await learn();
    const unmount = mountOn(project('good-1'));
    try {
      await projects.lookAtMounts(new ProjectMounts(folders.dataRoot), never);
      expect(projects.troubleOf('good-1')).toBe('hidden');
    } finally {
      unmount();
    }
  });

  itWhereMountable('deep in a project counts as a change of it', async () => {
    const deep = join(project('good-1'), 'deep', 'er');
    await mkdir(deep, { recursive: true });
    await learn();
    const mounts = new ProjectMounts(folders.dataRoot);
    await projects.lookAtMounts(mounts, never);
    const counter = await backup('good-1');
    const unmount = mountOn(deep);
    try {
      await projects.lookAtMounts(mounts, never);
      expect(tracker.isTracked('good-1')).toBe(true);
      expect(covers(counter, tracker.reportOf('good-1'))).toBe(false);
    } finally {
      unmount();
    }
  });

  it('elsewhere concerns no project, and the table is taken apart only when it is another', async () => {
    const line = (point: string, id = 1) => `${id} 1 0:5 / ${point} rw - tmpfs none rw`;
    let table = [line('/'), line('/srv'), line('/srv/data')].join('\n');
    const mounts = new ProjectMounts('/srv/data', () => Promise.resolve(table));
    expect(await mounts.changed()).toEqual([]);
    table += `\n${line('/srv/data/atlas/project')}\n${line('/srv/database/atlas')}`;
    expect(await mounts.changed()).toEqual(['atlas']);
    expect(await mounts.changed()).toEqual([]);
    table = table.replace(line('/srv/data/atlas/project'), line('/srv/data/atlas/project', 2));
    expect(await mounts.changed()).toEqual(['atlas']);
    table = table.replace(line('/srv/data/atlas/project', 2), line('/srv/data/with\\040blank'));
    expect((await mounts.changed()).toSorted()).toEqual(['atlas', 'with blank']);
  });
});
