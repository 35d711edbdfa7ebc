import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { until } from '@buckets/patience';
import { DataRootMissingError, Disk, HostFolders, ProvisionedRecords } from '../host-data/index.js';
import { itWhereMountable, mountOn } from '../file-system/testing/mounts.js';
import { DataRootInUse, lockDataRoot } from './data-root-lock.js';
import { DataRoot, type DataRootParts } from './data-root.js';

jest.setTimeout(60_000);

let place: string;
let folders: HostFolders;
let assigned: { projectId: string; provisioned: boolean }[] | undefined;
let said: { state?: string; why?: string }[];
let order: string[];
let stopping: AbortController;
let roots: DataRoot[];

beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'buckets-data-root-'));
  folders = new HostFolders(join(place, 'projects'));
  assigned = [];
  said = [];
  order = [];
  stopping = new AbortController();
  roots = [];
});
afterEach(async () => {
  stopping.abort();
  for (const root of roots) await root.end();
  await rm(place, { recursive: true, force: true });
});

function make(hostId = 'eu-1', parts: Partial<DataRootParts> = {}): DataRoot {
  const root = new DataRoot({
    hostId,
    folders,
    disk: new Disk(),
    assigned: () => (assigned ? Promise.resolve(assigned) : Promise.reject(new Error('no answer'))),
    putInOrder: () => Promise.resolve(void order.push('in order')),
    onChange: () => order.push(root.problem?.state ?? 'here'),
    log: { info: () => undefined, error: (about: object) => said.push(about) } as never,
    lookEveryMs: 20,
    ...parts,
  });
  roots.push(root);
  return root;
}

async function begun(...how: Parameters<typeof make>): Promise<DataRoot> {
  const root = make(...how);
  await root.begin(stopping.signal);
  return root;
}

/** What the host had before: a project with its record, and the marker. */
async function grown(): Promise<void> {
  await mkdir(folders.own, { recursive: true });
  await new ProvisionedRecords(folders, new Disk()).createEmpty('atlas', 1);
  await (await begun()).end();
  assigned = [{ projectId: 'atlas', provisioned: true }];
  [order, said] = [[], []];
}

describe('the data root', () => {
  it('of a new host is made, marked, and put in order before anybody uses it', async () => {
    const root = await begun();
    await root.here();
    await root.mustBeHere();
    expect(await readFile(folders.marker, 'utf8')).toBe('eu-1\n');
    expect(order).toEqual(['in order', 'here']);
    expect(said).toEqual([]);
  });

  it('that is empty although projects were brought to it is left alone, and that is said', async () => {
    assigned = [{ projectId: 'atlas', provisioned: true }];
    await mkdir(folders.dataRoot);
    const root = await begun();
    expect(root.problem).toMatchObject({ state: 'missing' });
    await expect(root.mustBeHere()).rejects.toThrow(DataRootMissingError);
    await expect(root.check()).rejects.toThrow('not mounted');
    expect(said).toEqual([{ state: 'missing', why: expect.stringContaining('not mounted') }]);
    expect(order).toEqual(['missing']);
    expect(await readdir(folders.dataRoot)).toEqual([]);
  });

  it('is not made where nobody says that it is a new one', async () => {
    assigned = undefined;
    expect((await begun()).problem).toMatchObject({ state: 'missing' });
    expect(await readdir(place)).toEqual([]);
  });

  it('from before there were markers is known by its records', async () => {
    await mkdir(folders.own, { recursive: true });
    await new ProvisionedRecords(folders, new Disk()).createEmpty('atlas', 1);
    assigned = [{ projectId: 'atlas', provisioned: true }];
    await (await begun()).mustBeHere();
    expect(await readFile(folders.marker, 'utf8')).toBe('eu-1\n');
  });

  it('of another host is not touched', async () => {
    await grown();
    const root = await begun('eu-2');
    expect(root.problem).toMatchObject({ state: 'foreign', why: expect.stringContaining('"eu-1"') });
    expect(await readFile(folders.marker, 'utf8')).toBe('eu-1\n');
  });

  it('whose data are lost for good is taken once a person has written the id of the host into the marker', async () => {
    assigned = [{ projectId: 'atlas', provisioned: true }];
    const root = await begun();
    await mkdir(dirname(folders.marker), { recursive: true });
    await writeFile(folders.marker, 'eu-1');
    await root.here();
    expect(order).toEqual(['missing', 'in order', 'here']);
  });

  it('that another worker serves is refused at the start', async () => {
    await mkdir(folders.dataRoot);
    const unlock = await lockDataRoot(folders.dataRoot);
    await expect(begun()).rejects.toThrow(DataRootInUse);
    await unlock();
  });

  it('whose marker is a folder is not taken for anything', async () => {
    await mkdir(folders.marker, { recursive: true });
    expect((await begun()).problem).toMatchObject({ state: 'unreadable', why: expect.stringContaining('EISDIR') });
  });

  it('is put in order again until that succeeds, and nobody uses it before', async () => {
    await grown();
    let fails = true;
    const putInOrder = () => (fails ? Promise.reject(new Error('EIO: i/o error')) : Promise.resolve());
    const root = await begun('eu-1', { putInOrder });
    expect(root.problem).toMatchObject({ why: expect.stringContaining('EIO') });
    await expect(root.mustBeHere()).rejects.toThrow('EIO');
    fails = false;
    await until(() => root.problem === undefined);
  });

  it('that goes away while the worker runs is noticed, and used again when it is back', async () => {
    await grown();
    const root = await begun();
    await root.here();
    await rename(folders.dataRoot, `${folders.dataRoot}-away`);
    await mkdir(folders.dataRoot);
    await expect(root.mustBeHere()).rejects.toThrow('although it was there before');
    expect(order).toEqual(['in order', 'here', 'missing']);
    await rm(folders.dataRoot, { recursive: true });
    await rename(`${folders.dataRoot}-away`, folders.dataRoot);
    await root.here();
    await root.mustBeHere();
    expect(order).toEqual(['in order', 'here', 'missing', 'in order', 'here']);
  });

  it('that was away for a while is told to whoever has used it since before that', async () => {
    await grown();
    const root = await begun();
    await root.here();
    const before = performance.now();
    expect(await root.whyAwaySince(before)).toBeUndefined();
    await rename(folders.dataRoot, `${folders.dataRoot}-away`);
    expect(await root.whyAwaySince(before)).toContain('although it was there before');
    await rename(`${folders.dataRoot}-away`, folders.dataRoot);
    await root.here();
    expect(await root.whyAwaySince(before)).toContain('although it was there before');
    expect(await root.whyAwaySince(performance.now())).toBeUndefined();
  });

  itWhereMountable(
    'is told from an empty file system that is mounted over it, and is back when that is gone',
    async () => {
      await grown();
      const root = await begun();
      await root.here();
      const unmount = mountOn(folders.dataRoot);
      await until(() => root.problem?.state === 'missing');
      expect(await readdir(folders.dataRoot)).toEqual([]);
      unmount();
      await root.here();
      expect(root.problem).toBeUndefined();
    },
  );
});
