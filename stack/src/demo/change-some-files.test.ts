import { chmod, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { removeTree } from '@buckets/trees';
import { changeSomeFiles } from './change-some-files.js';

describe('changes to a project', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'buckets changes '));
    await mkdir(join(folder, 'persist'));
    for (const place of ['a', 'b']) {
      await mkdir(join(folder, 'project', place), { recursive: true });
      for (let file = 0; file < 20; file++) await writeFile(join(folder, 'project', place, `${file}`), 'x');
    }
  });
  afterEach(() => removeTree(folder));

  it('are a few of each kind', async () => {
    expect(await changeSomeFiles(folder, 1)).toBe('5 edited, 5 added, 5 renamed, 5 deleted');
  });

  const unlessRoot = process.geteuid?.() === 0 ? it.skip : it;

  unlessRoot('are made where this user may write to everything', async () => {
    for (let file = 0; file < 20; file++) await chmod(join(folder, 'project/a', `${file}`), 0o444);
    expect(await changeSomeFiles(folder, 1)).toBe('5 edited, 5 added, 5 renamed, 5 deleted');
  });

  unlessRoot('are made in the other root when the whole home is read-only', async () => {
    for (const place of ['a', 'b', '.']) await chmod(join(folder, 'project', place), 0o555);
    expect(await changeSomeFiles(folder, 1)).toBe('0 edited, 5 added, 0 renamed, 0 deleted');
  });
});
