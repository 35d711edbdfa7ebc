import { chmod, mkdir, mkdtemp, readdir, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { removeTree } from '@buckets/trees';
import { changeSomeFiles } from './change-some-files.js';

describe('changes to a project', () => {
  let folder: string;
  const names = Array.from({ length: 20 }, (_, number) => `${number}`);
  const namesIn = async (place: string) => (await readdir(join(folder, 'project', place))).sort();

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'buckets changes '));
    await mkdir(join(folder, 'persist'));
    for (const place of ['a', 'b']) {
      await mkdir(join(folder, 'project', place), { recursive: true });
      for (const name of names) await writeFile(join(folder, 'project', place, name), 'some text');
    }
  });
  afterEach(() => removeTree(folder));

  it('are a few of each kind', async () => {
    expect(await changeSomeFiles(folder, 1)).toBe('5 edited, 5 added, 5 renamed, 5 deleted');
  });

  it.each([1, 2, 3, 4, 5])('never delete nearly all that there is (%d)', async (seed) => {
    await truncate(join(folder, 'project/a/7'), 1_000_000);
    await changeSomeFiles(folder, seed);
    expect(await namesIn('a')).toEqual(names.toSorted());
  });

  it('leave a project alone that is one large file, but for additions beside it', async () => {
    await removeTree(join(folder, 'project'));
    await mkdir(join(folder, 'project'));
    await writeFile(join(folder, 'project', 'all'), Buffer.alloc(1_000));
    expect(await changeSomeFiles(folder, 1)).toBe('0 edited, 5 added, 0 renamed, 0 deleted');
  });

  const unlessRoot = process.geteuid?.() === 0 ? it.skip : it;

  unlessRoot('are made where this user may write to everything', async () => {
    for (const name of names) await chmod(join(folder, 'project/a', name), 0o444);
    expect(await changeSomeFiles(folder, 1)).toBe('5 edited, 5 added, 5 renamed, 5 deleted');
    expect(await namesIn('a')).toEqual(names.toSorted());
  });

  unlessRoot('are made in the other root when the whole home is read-only', async () => {
    for (const place of ['a', 'b', '.']) await chmod(join(folder, 'project', place), 0o555);
    expect(await changeSomeFiles(folder, 1)).toBe('0 edited, 5 added, 0 renamed, 0 deleted');
  });
});
