import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Disk } from './disk.js';
import {
  DataLostError,
  DataRootMissingError,
  InvalidIdError,
  NothingToAdoptError,
  OtherAssignmentError,
  ProjectUnreadableError,
  SwitchPendingError,
  UnrecordedDataError,
} from './errors.js';
import { ROOT_NAMES } from './host-folders.js';
import { ProvisionedRecords } from './provisioned-records.js';
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
const state = async (generation = 1) => (await records.inspect(PROJECT, generation)).state;

describe('the record that a project is here', () => {
  it('comes with two empty roots when the project is created', async () => {
    expect(await state()).toBe('missing');
    const record = await records.createEmpty(PROJECT, 3, { mode: 0o750 });
    expect(record).toMatchObject({ projectId: PROJECT, generation: 3, by: 'created' });
    expect(await records.inspect(PROJECT, 3)).toEqual({ state: 'provisioned', record });
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
    expect(await records.inspect(PROJECT, 1)).toMatchObject({ state: 'root-missing', missing: ['persist'] });
    await writeFile(join(root('persist'), 'file'), '');
    expect(await state()).toBe('unrecorded-data');
  });

  it('names the root that is gone', async () => {
    await host.provision('work');
    await rm(root('project'), { recursive: true });
    expect(await records.inspect(PROJECT, 1)).toMatchObject({ state: 'root-missing', missing: ['project'] });
  });

  it('does not follow a link in the place of a root, nor one in the place of the project', async () => {
    await host.provision('work');
    await rename(root('project'), `${root('project')}-elsewhere`);
    await symlink(`${root('project')}-elsewhere`, root('project'));
    expect(await records.inspect(PROJECT, 1)).toMatchObject({
      state: 'unrecorded-data',
      found: [{ root: 'project', what: 'a symbolic link' }],
    });

    await rename(host.folders.project(PROJECT), join(host.folders.dataRoot, 'moved'));
    await symlink('moved', host.folders.project(PROJECT));
    expect(await records.inspect(PROJECT, 1)).toMatchObject({
      state: 'unrecorded-data',
      found: [{ root: 'project' }, { root: 'persist' }],
    });
  });

  it('reports a file in the place of a root', async () => {
    await mkdir(host.folders.project(PROJECT));
    await writeFile(root('persist'), 'precious');
    expect(await records.inspect(PROJECT, 1)).toMatchObject({
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

describe('a disk that does not say what is there', () => {
  it.each(['EIO', 'ESTALE', 'ENOTCONN'])('is not one where nothing is: %s', async (code) => {
    await host.provision('work');
    class FailingDisk extends Disk {
      override readRecord(): Promise<unknown> {
        return Promise.reject(Object.assign(new Error(code), { code }));
      }
    }
    const failing = host.worker(new FailingDisk()).records;
    for (const look of [failing.inspect(PROJECT, 1), failing.createEmpty(PROJECT, 1)]) {
      const error = await look.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ProjectUnreadableError);
      expect(error).toMatchObject({ code: 'project-unreadable', errno: code, message: expect.stringContaining(code) });
    }
  });

  it.each([
    [
      'a folder stands in the place of the record',
      () => mkdir(host.folders.provisionedRecord(PROJECT), { recursive: true }),
    ],
    ["a file stands in the place of the record's folder", () => writeFile(join(host.folders.states, PROJECT), '')],
  ])('is one where %s', async (_, put) => {
    await host.provision('work');
    await rm(join(host.folders.states, PROJECT), { recursive: true });
    await put();
    await expect(state()).rejects.toThrow(ProjectUnreadableError);
    await expect(records.createEmpty(PROJECT, 1)).rejects.toThrow(ProjectUnreadableError);
    expect(await host.contentOf('project')).toBe('work');
  });
});

describe('a data root that is not there', () => {
  it('is not one where a project is missing, also when it goes in the middle of the look', async () => {
    await host.provision('work');
    let looks = 0;
    const gone = async (afterLooks: number) => {
      looks = 0;
      await rename(host.folders.dataRoot, `${host.folders.dataRoot}-away`);
      await mkdir(host.folders.dataRoot);
      const guarded = new ProvisionedRecords(host.folders, new Disk(), async () => {
        looks += 1;
        if (looks > afterLooks) throw new DataRootMissingError('It is not mounted.');
      });
      await expect(guarded.inspect(PROJECT, 1)).rejects.toThrow(DataRootMissingError);
      await expect(guarded.createEmpty(PROJECT, 1)).rejects.toThrow(DataRootMissingError);
      await rm(host.folders.dataRoot, { recursive: true });
      await rename(`${host.folders.dataRoot}-away`, host.folders.dataRoot);
    };
    await gone(0);
    await gone(1);
    expect(await state()).toBe('provisioned');
  });
});

describe('data that came with another assignment', () => {
  beforeEach(() => host.provision('of the first one'));

  it('are told apart, and nothing is created over them', async () => {
    expect(await records.inspect(PROJECT, 2)).toMatchObject({ state: 'other-assignment', record: { generation: 1 } });
    await expect(records.createEmpty(PROJECT, 2)).rejects.toThrow(OtherAssignmentError);
    await expect(records.createEmpty(PROJECT, 2, { evenIfDataAreLost: true })).rejects.toThrow(OtherAssignmentError);
    expect(await host.contentOf('project')).toBe('of the first one');
    expect(await state()).toBe('provisioned');
  });

  it('become those of this one when a person says so', async () => {
    await records.adopt(PROJECT, 2);
    expect(await state(2)).toBe('provisioned');
    expect(await state(1)).toBe('other-assignment');
  });

  it('of which nothing stands there any more are nothing that was lost under this one', async () => {
    await rm(host.folders.project(PROJECT), { recursive: true });
    expect(await state(2)).toBe('missing');
    await records.createEmpty(PROJECT, 2);
    expect(await state(2)).toBe('provisioned');
  });

  it('are kept as what nobody accounts for if their record does not say under which they came', async () => {
    const file = host.folders.provisionedRecord(PROJECT);
    const { generation: _, ...past } = JSON.parse(await readFile(file, 'utf8')) as { generation: number };
    await writeFile(file, JSON.stringify(past));
    expect(await state()).toBe('unrecorded-data');
    await expect(records.createEmpty(PROJECT, 1)).rejects.toThrow(UnrecordedDataError);
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
    expect(await state(2)).toBe('provisioned');
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
