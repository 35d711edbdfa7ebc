import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Disk } from './disk.js';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'buckets-disk-'));
});
afterEach(() => rm(folder, { recursive: true }));

it('no folder is made in the place of a data root that is away', async () => {
  const own = join(folder, '.buckets');
  await expect(new Disk().makeFolder(join(own, 'staging'))).rejects.toThrow('ENOENT');
  await expect(new Disk().writeRecord(join(own, 'state', 'record.json'), {})).rejects.toThrow('ENOENT');
  expect(await readdir(folder)).toEqual([]);
});

describe('a record that was cut off while it was written', () => {
  it('leaves the one before, and nothing of its own after the next start', async () => {
    const file = join(folder, 'record.json');
    await new Disk().writeRecord(file, { n: 1 });
    const cut = new Disk((step) => {
      if (step.startsWith('wrote')) throw new Error('killed');
    });
    await expect(cut.writeRecord(file, { n: 2 })).rejects.toThrow('killed');
    expect(await readdir(folder)).toHaveLength(2);

    const disk = new Disk();
    await disk.removeDrafts(folder);
    expect(await readdir(folder)).toEqual(['record.json']);
    expect(await disk.readRecord(file)).toEqual({ n: 1 });
  });

  it('keeps no other from being removed, and no worker from starting, when it cannot be removed', async () => {
    await mkdir(join(folder, 'a.tmp', 'not empty'), { recursive: true });
    await writeFile(join(folder, 'b.tmp'), '{ "n"');
    await new Disk().removeDrafts(folder);
    expect(await readdir(folder)).toEqual(['a.tmp']);
  });

  it('is no reason to fail where nobody has written any yet', async () => {
    await expect(new Disk().removeDrafts(join(folder, 'none'))).resolves.toBeUndefined();
  });

  it('is nothing that a later one would stumble over', async () => {
    const file = join(folder, 'record.json');
    await writeFile(`${file}.tmp`, '{ "n"');
    await new Disk().writeRecord(file, { n: 3 });
    expect(await new Disk().readRecord(file)).toEqual({ n: 3 });
  });
});
