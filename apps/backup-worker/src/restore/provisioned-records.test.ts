import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  DataLostError,
  InvalidIdError,
  NothingToAdoptError,
  SwitchPendingError,
  UnrecordedDataError,
} from './errors.js';
import { ROOT_NAMES } from './host-folders.js';
import type { ProvisionedRecords } from './provisioned-records.js';
import { fill, PROJECT, TemporaryHost, untilStep } from './testing/temporary-host.js';

// Every step waits for the disk.
jest.setTimeout(60_000);

let host: TemporaryHost;
let records: ProvisionedRecords;

beforeEach(() => {
  host = new TemporaryHost();
  records = host.worker().records;
});
afterEach(() => host.remove());

const root = (name: 'project' | 'persist') => host.folders.root(PROJECT, name);
const state = async () => (await records.inspect(PROJECT)).state;

describe('the record that a project is here', () => {
  it('comes with two empty roots when the project is created', async () => {
    expect(await state()).toBe('missing');
    const record = await records.createEmpty(PROJECT, 3, { mode: 0o750 });
    expect(record).toMatchObject({ projectId: PROJECT, generation: 3, by: 'created' });
    expect(await records.inspect(PROJECT)).toEqual({ state: 'provisioned', record });
    for (const name of ROOT_NAMES) expect((await stat(root(name))).mode & 0o7777).toBe(0o750);
  });

  it('stays the same when the project is created again', async () => {
    const first = await records.createEmpty(PROJECT, 3);
    await fill(root('project'), 'work');
    expect(await records.createEmpty(PROJECT, 3)).toEqual(first);
    expect(await host.contentOf('project')).toBe('work');
  });

  it('is complete or absent, wherever a creation breaks off, and a second one completes it', async () => {
    let step = 0;
    for (let outcome = 'cut off'; outcome === 'cut off'; host.remove(), host = new TemporaryHost()) {
      step += 1;
      outcome = await untilStep(step, (disk) => host.worker(disk).records.createEmpty(PROJECT, 1));
      records = host.worker().records;
      expect(['missing', 'empty-unrecorded', 'provisioned']).toContain(await state());
      await records.createEmpty(PROJECT, 1);
      expect(await state()).toBe('provisioned');
    }
    expect(step).toBeGreaterThan(8);
  });

  it('does not take an empty folder for the root that was there, not even with the same inode number', async () => {
    await records.createEmpty(PROJECT, 1);
    await rm(root('persist'), { recursive: true });
    await mkdir(root('persist'));
    expect(await records.inspect(PROJECT)).toMatchObject({ state: 'root-missing', missing: ['persist'] });
    await writeFile(join(root('persist'), 'file'), '');
    expect(await state()).toBe('unrecorded-data');
  });

  it('names the root that is gone', async () => {
    await host.provision('work');
    await rm(root('project'), { recursive: true });
    expect(await records.inspect(PROJECT)).toMatchObject({ state: 'root-missing', missing: ['project'] });
  });

  it('does not follow a link in the place of a root, nor one in the place of the project', async () => {
    await host.provision('work');
    await rename(root('project'), `${root('project')}-elsewhere`);
    await symlink(`${root('project')}-elsewhere`, root('project'));
    expect(await records.inspect(PROJECT)).toMatchObject({
      state: 'unrecorded-data',
      found: [{ root: 'project', what: 'a symbolic link' }],
    });

    await rename(host.folders.project(PROJECT), join(host.folders.dataRoot, 'moved'));
    await symlink('moved', host.folders.project(PROJECT));
    expect(await records.inspect(PROJECT)).toMatchObject({
      state: 'unrecorded-data',
      found: [{ root: 'project' }, { root: 'persist' }],
    });
  });

  it('reports a file in the place of a root', async () => {
    await mkdir(host.folders.project(PROJECT));
    await writeFile(root('persist'), 'precious');
    expect(await records.inspect(PROJECT)).toMatchObject({
      state: 'unrecorded-data',
      found: [{ root: 'persist', what: 'a file' }],
    });
  });

  it('accounts for nothing when it is damaged or of another project', async () => {
    await host.provision('work');
    const file = host.folders.provisionedRecord(PROJECT);
    const text = await readFile(file, 'utf8');
    for (const damaged of ['', '{', 'null', '[]', '{"version":1}', text.replace(PROJECT, 'another')]) {
      await writeFile(file, damaged);
      expect(await state()).toBe('unrecorded-data');
    }
    await rm(host.folders.project(PROJECT), { recursive: true });
    expect(await state()).toBe('missing');
  });
});

describe('a creation', () => {
  it('refuses where files stand that nobody recorded', async () => {
    await fill(root('project'), 'work');
    await expect(records.createEmpty(PROJECT, 1)).rejects.toThrow(UnrecordedDataError);
    expect(await host.contentOf('project')).toBe('work');
    expect(await records.read(PROJECT)).toBeUndefined();
  });

  it('refuses where data once were, unless asked for in so many words, and then leaves the other root alone', async () => {
    await host.provision('work');
    await rm(root('persist'), { recursive: true });
    await expect(records.createEmpty(PROJECT, 1)).rejects.toThrow(DataLostError);
    await records.createEmpty(PROJECT, 1, { evenIfDataAreLost: true });
    expect(await state()).toBe('provisioned');
    expect(await host.contentOf('project')).toBe('work');
  });

  it('refuses while a swap is half done', async () => {
    await mkdir(host.folders.switches, { recursive: true });
    await writeFile(host.folders.switchRecord(PROJECT), '{}');
    await expect(records.createEmpty(PROJECT, 1)).rejects.toThrow(SwitchPendingError);
  });

  it.each(['..', '', 'a/b', '../../etc', 'A', 'x'.repeat(64), 'a\0b', 'ä'])('refuses %j for an id', async (id) => {
    await expect(records.createEmpty(id, 1)).rejects.toThrow(InvalidIdError);
  });
});

describe('adopting', () => {
  it('takes the roots as they stand for the data of the project', async () => {
    for (const name of ROOT_NAMES) await fill(root(name), 'brought here by a person');
    expect(await state()).toBe('unrecorded-data');
    expect(await records.adopt(PROJECT, 2)).toMatchObject({ generation: 2, by: 'adopted' });
    expect(await state()).toBe('provisioned');
  });

  it('refuses half a project', async () => {
    await fill(root('project'), 'brought here by a person');
    await expect(records.adopt(PROJECT, 2)).rejects.toThrow(NothingToAdoptError);
  });
});

it('is forgotten when the data are removed on purpose', async () => {
  await host.provision('work');
  await records.remove(PROJECT);
  await records.remove(PROJECT);
  expect(await records.read(PROJECT)).toBeUndefined();
});
