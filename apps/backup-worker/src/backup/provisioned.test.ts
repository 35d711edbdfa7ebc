import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChangeTracker } from '../changes/index.js';
import { asFailure } from '../operations/failures.js';
import type { Attempt } from '../operations/operation.js';
import { DataRootMissingError, Disk, HostFolders, ProvisionedRecords } from '../host-data/index.js';
import { BackupWork } from './backup.js';

const PROJECT = 'atlas';
/** Nothing is asked of it: each attempt ends before. */
const NOWHERE = {
  endpoint: 'http://127.0.0.1:1',
  region: 'eu',
  bucket: 'none',
  accessKeyId: 'none',
  secretAccessKey: 'none',
};
let folders: HostFolders;
let records: ProvisionedRecords;
let tracker: ChangeTracker;
let isMounted: boolean;

beforeEach(async () => {
  folders = new HostFolders(await mkdtemp(join(tmpdir(), 'buckets-backup-')));
  await mkdir(folders.own);
  isMounted = true;
  records = new ProvisionedRecords(folders, new Disk(), () =>
    isMounted ? Promise.resolve() : Promise.reject(new DataRootMissingError('It is not mounted.')),
  );
  const stateFolder = join(folders.own, 'changes');
  tracker = new ChangeTracker({ stateFolder, report: () => undefined, problem: () => undefined });
  await records.createEmpty(PROJECT, 1);
});
afterEach(async () => {
  await tracker.stopAll();
  await rm(folders.dataRoot, { recursive: true });
});

/** As far as a backup that would begin to read now: the code of its failure otherwise, and whether another try may help. */
async function comesTo(generation = 1, damage?: object): Promise<string> {
  const reading = { spend: () => Promise.reject(Object.assign(new Error('It reads.'), { code: 'reads' })) };
  const parts = [{}, folders, records, tracker, {}, {}, reading, {}, {}] as never[];
  const work = new BackupWork('eu-1', ...(parts as unknown as DropFirst<ConstructorParameters<typeof BackupWork>>));
  const attempt = {
    projectId: PROJECT,
    intent: { operationId: 'op', generation },
    grant: {
      ...{ attempt: 1, bucket: NOWHERE, repository: { prefix: 'projects/atlas/', masterKey: {} }, running: false },
      damage,
    },
    signal: new AbortController().signal,
    wait: () => () => undefined,
  };
  const { code, options } = await work
    .work(attempt as unknown as Attempt<'backup'>)
    .then(() => asFailure(new Error('It has come to an end.')), asFailure);
  return code === 'reads' ? code : `${code}${options.retry ? ', again' : ''}`;
}
type DropFirst<T extends unknown[]> = T extends [unknown, ...infer Rest] ? Rest : never;

describe('a backup', () => {
  it('of data that were away when the host looked, and are back, looks after them and begins', async () => {
    await rename(folders.project(PROJECT), `${folders.project(PROJECT)}-away`);
    expect(await comesTo()).toBe('project-folder-missing');
    expect(tracker.isTracked(PROJECT)).toBe(false);
    await rename(`${folders.project(PROJECT)}-away`, folders.project(PROJECT));
    expect(await comesTo()).toBe('reads');
    expect(tracker.isTracked(PROJECT)).toBe(true);
  });

  it('mends no repository, which may read all of it, for data that are not there', async () => {
    const damage = { total: 201, first: [] };
    expect(await comesTo(1, damage)).toBe('reads');
    expect(await comesTo(2, damage)).toBe('project-folder-missing');
  });

  it('never reads the data of another assignment', async () => {
    expect(await comesTo(2)).toBe('project-folder-missing');
    await records.adopt(PROJECT, 2);
    expect(await comesTo(2)).toBe('reads');
    expect(await comesTo(1)).toBe('project-folder-missing');
  });

  it('is tried again where the disk does not say what is there, or the data root is away', async () => {
    isMounted = false;
    expect(await comesTo()).toBe('data-root-missing, again');
    isMounted = true;
    await rm(folders.provisionedRecord(PROJECT));
    await mkdir(folders.provisionedRecord(PROJECT));
    expect(await comesTo()).toBe('project-unreadable, again');
  });
});
