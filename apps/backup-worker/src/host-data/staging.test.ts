import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, statfs, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Disk } from './disk.js';
import { NotEnoughSpaceError } from './errors.js';
import { Staging } from './staging.js';
import { fill, OPERATION, PROJECT, TemporaryHost } from './testing/temporary-host.js';

let host: TemporaryHost;
let staging: Staging;
beforeEach(() => {
  host = new TemporaryHost();
  staging = new Staging(host.folders, new Disk(), { reserveBytes: 0 });
});
afterEach(() => host.remove());

const SMALL = { bytes: 1_000, entries: 10 };

describe('a staging folder', () => {
  it('is empty, closed to others, and not inside a project', async () => {
    const folder = await staging.prepare(OPERATION, PROJECT, SMALL);
    expect(folder).toBe(host.folders.staging(OPERATION));
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect(await host.list('staging')).toEqual([OPERATION]);
  });

  it('has nothing of an earlier attempt in it, whatever that left, and no link is followed to remove it', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'buckets-outside-'));
    try {
      await fill(outside, 'precious');
      const folder = await staging.prepare(OPERATION, PROJECT, SMALL);
      await symlink(outside, join(folder, 'project'));
      await mkdir(join(folder, 'closed', 'below'), { recursive: true });
      await writeFile(join(folder, 'closed', 'below', 'file'), '', { mode: 0o000 });
      for (const path of ['closed/below', 'closed']) await chmod(join(folder, path), 0);
      await staging.prepare(OPERATION, PROJECT, SMALL);
      expect(await host.list('staging')).toEqual([OPERATION]);
      expect(await readFile(join(outside, 'below', 'file'), 'utf8')).toBe('precious');
    } finally {
      await rm(outside, { recursive: true });
    }
  });

  it.each([
    ['bytes', { bytes: Number.MAX_SAFE_INTEGER, entries: 1 }],
    ['the blocks of many small files', { bytes: 0, entries: 2 ** 40 }],
  ])('is refused when the disk has no room for %s', async (_, need) => {
    await expect(staging.prepare(OPERATION, PROJECT, need)).rejects.toThrow(NotEnoughSpaceError);
    expect(await host.list('staging')).toEqual([]);
  });

  it('has room for a sparse file that is longer than the disk, as long as what is in it fits', async () => {
    const { bavail, bsize } = await statfs(host.folders.dataRoot);
    const image = { bytes: 10 * bavail * bsize, entries: 1 };
    const holding = (bytes: number) => ({ ...image, filled: () => Promise.resolve(bytes) });
    await expect(staging.prepare(OPERATION, PROJECT, holding(2 * bavail * bsize))).rejects.toThrow(NotEnoughSpaceError);
    await staging.prepare(OPERATION, PROJECT, holding(Math.floor(bavail * bsize * 0.6)));
    // What was promised is what it holds.
    await expect(staging.prepare('second', 'another', { ...SMALL, bytes: bavail * bsize * 0.6 })).rejects.toThrow(
      NotEnoughSpaceError,
    );
    await staging.prepare('second', 'another', SMALL);
  });

  it('does not count on space that another restore was promised, until that one is over', async () => {
    const { bavail, bsize } = await statfs(host.folders.dataRoot);
    const half = { bytes: Math.floor(bavail * bsize * 0.6), entries: 1 };
    await staging.prepare('first', PROJECT, half);
    await expect(staging.prepare('second', 'another', half)).rejects.toThrow(NotEnoughSpaceError);
    await staging.prepare('first', PROJECT, half);
    await staging.discard('first');
    await staging.prepare('second', 'another', half);
  });

  it('is swept away when no operation needs it', async () => {
    await staging.prepare('crashed', PROJECT, SMALL);
    await staging.prepare('active', 'another', SMALL);
    expect(await staging.sweep(new Set(['active']))).toEqual({ removed: ['crashed'], failures: [] });
    expect(await host.list('staging')).toEqual(['active']);
  });
});
