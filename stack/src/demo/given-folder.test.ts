import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { givenFolder, UnusableFolder } from './given-folder.js';

describe('the folder that a demo is asked to take', () => {
  let place: string;
  beforeAll(async () => {
    place = await mkdtemp(join(tmpdir(), 'buckets given folder '));
    await mkdir(join(place, 'empty'));
    await mkdir(join(place, 'locked'));
    await mkdir(join(place, ' an odd\nname ü'));
    await writeFile(join(place, ' an odd\nname ü', 'file'), '');
    await writeFile(join(place, 'file'), '');
    await symlink(' an odd\nname ü', join(place, 'link'));
    await symlink('loop', join(place, 'loop'));
    await mkdir(join(place, 'clone', '.data'), { recursive: true });
    await chmod(join(place, 'locked'), 0);
  });
  afterAll(() => rm(place, { recursive: true }));

  const asked = (folder: string) => givenFolder(folder, place, join(place, 'clone', '.data'));

  it('may have any name, and be named by a link or from where one is', async () => {
    const odd = join(place, ' an odd\nname ü');
    expect(await asked(' an odd\nname ü')).toBe(odd);
    expect(await asked(`${odd}/`)).toBe(odd);
    expect(await asked('link')).toBe(odd);
  });

  it.each([
    ['nothing', 'does not exist'],
    ['file', 'is not a folder'],
    ['file/below', 'does not exist'],
    ['empty', 'is empty'],
    ['loop', 'cannot be used'],
    ['clone', 'holds the data of Buckets itself'],
    ['.', 'holds the data of Buckets itself'],
  ])('is refused with a sentence on one line: %s %s', async (folder, sentence) => {
    const refused = asked(folder);
    await expect(refused).rejects.toBeInstanceOf(UnusableFolder);
    await expect(refused).rejects.toThrow(sentence);
    await expect(refused).rejects.toThrow(/^.+$/);
  });

  const unlessRoot = process.geteuid?.() === 0 ? it.skip : it;
  unlessRoot('is refused when this user may not read it', async () => {
    await expect(asked('locked')).rejects.toThrow('cannot be read by this user');
  });
});
