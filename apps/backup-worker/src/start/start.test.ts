import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Attempt } from '../operations/operation.js';
import { Disk, HostFolders, ProvisionedRecords } from '../host-data/index.js';
import { StartWork } from './start.js';

const PROJECT = 'atlas';
let folders: HostFolders;
let records: ProvisionedRecords;
let restores: unknown[];
let started: boolean;

beforeEach(async () => {
  folders = new HostFolders(await mkdtemp(join(tmpdir(), 'buckets-start-')));
  await mkdir(folders.own);
  records = new ProvisionedRecords(folders, new Disk());
  [restores, started] = [[], false];
  await records.createEmpty(PROJECT, 1);
  await writeFile(file(), 'of the first assignment');
});
afterEach(() => rm(folders.dataRoot, { recursive: true }));

const file = () => join(folders.root(PROJECT, 'project'), 'file');

/** A start under the assignment of this generation. What a restore does is for tests of the restore. */
function start(generation: number, { grant = {}, intent = {} }: { grant?: object; intent?: object } = {}) {
  const restoring = {
    restore: (_: unknown, backup: unknown) => (restores.push(backup), Promise.reject(new Error('restored'))),
  };
  const projects = { replaced: () => Promise.resolve(), setRunning: () => (started = true) };
  const work = new StartWork(
    { hookMs: 1000 } as never,
    folders,
    records,
    restoring as never,
    projects as never,
    {} as never,
  );
  const attempt = {
    projectId: PROJECT,
    intent: { operationId: 'op', generation, ...intent },
    grant: { hadData: true, running: false, ...grant },
    limits: { stallMs: 1_000 },
    turn: { widen: () => Promise.resolve() },
    signal: new AbortController().signal,
    wait: () => () => undefined,
    confirm: () => Promise.resolve(),
    progress: () => undefined,
    alive: () => undefined,
  };
  return work.work(attempt as unknown as Attempt<'start'>);
}

describe('a start with the data of an earlier assignment in place', () => {
  it('restores the backup, and does not start them', async () => {
    const restore = { backupId: 'of generation 2' };
    await expect(start(3, { grant: { restore } })).rejects.toThrow('restored');
    expect([restores, started]).toEqual([[restore], false]);
  });

  it('fails where there is no backup, and makes no empty project beside them, not even when asked to', async () => {
    await expect(start(3)).rejects.toMatchObject({ code: 'data-lost' });
    await expect(start(3, { intent: { allowEmpty: true } })).rejects.toMatchObject({ code: 'other-assignment' });
    expect(started).toBe(false);
    expect(await readFile(file(), 'utf8')).toBe('of the first assignment');
  });

  it('starts them once a person has adopted them', async () => {
    await records.adopt(PROJECT, 3);
    expect(await start(3, { grant: { restore: { backupId: 'older' } } })).toMatchObject({ outcome: 'succeeded' });
    expect([restores, started]).toEqual([[], true]);
  });
});

it('a start with the data of its own assignment restores nothing', async () => {
  const unnamed = await start(1, { grant: { restore: { backupId: 'older' } } });
  expect(unnamed).toEqual({ outcome: 'succeeded', running: true });
  expect([restores, started]).toEqual([[], true]);
});

it.each([false, true])(
  'and says so where its caller has named a backup, also of one that runs: %s',
  async (running) => {
    const named = { intent: { backupId: 'older' }, grant: { running, restore: { backupId: 'older' } } };
    expect(await start(1, named)).toMatchObject({ outcome: 'succeeded', result: { dataWereThere: true } });
    expect(restores).toEqual([]);
  },
);
