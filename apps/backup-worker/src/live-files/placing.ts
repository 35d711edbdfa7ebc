import { constants, type BigIntStats } from 'node:fs';
import { mkdir, open, rename, type FileHandle } from 'node:fs/promises';
import { liveEntry, type LiveEntry } from './folder-page.js';
import { errnoOf, LiveFilesError } from './live-files-error.js';
import { pinWithin, syncFolder, within } from './pinned.js';
import type { PinnedEntry } from './project-folders.js';

/**
 * Puts a complete file in its place in one step, on disk when this returns. A file that was there hands over its owner
 * and mode, but for setuid and setgid, which a write clears; a new one belongs to the owner of its folder.
 */
export async function placeFile(
  file: string,
  parent: PinnedEntry,
  name: Buffer,
  newMode: number,
  changing: <Result>(change: () => Promise<Result>) => Promise<Result>,
): Promise<LiveEntry> {
  const old = await replaceableFile(parent, name);
  await using content = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  if (old) await giveTo(content, old);
  else await giveNewTo(content, parent.stats);
  await content.chmod(old ? Number(old.mode) & 0o1777 : newMode);
  await content.sync();
  return await changing(async () => {
    await rename(file, within(parent.pinned, name));
    await syncFolder(parent.pinned);
    return liveEntry(name, await content.stat({ bigint: true }));
  });
}

/**
 * Makes a folder at a private path and moves it to its place. Made in place, its name could mean something else by the
 * time that it is given to its owner. An empty folder that somebody else made meanwhile is replaced.
 */
export async function placeFolder(made: string, parent: PinnedEntry, name: Buffer): Promise<void> {
  await mkdir(made, 0o700);
  await using folder = await open(made, constants.O_RDONLY | constants.O_DIRECTORY);
  await giveNewTo(folder, parent.stats);
  await folder.chmod(0o755 | (Number(parent.stats.mode) & 0o2000));
  await rename(made, within(parent.pinned, name));
  await syncFolder(parent.pinned);
}

/**
 * The file that a write would replace, if there is one.
 *
 * @throws LiveFilesError is-a-folder, not-a-regular-file, path-is-a-link
 */
export async function replaceableFile(parent: PinnedEntry, name: Buffer): Promise<BigIntStats | undefined> {
  const stats = await statsWithin(parent.pinned, name);
  if (stats) mustBeFile(stats);
  return stats;
}

/** @throws LiveFilesError path-is-a-link */
export async function statsWithin(folder: FileHandle, name: Buffer): Promise<BigIntStats | undefined> {
  try {
    const { pinned, stats } = await pinWithin(folder, name);
    await pinned.close();
    return stats;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

export function mustBeFile(stats: BigIntStats): void {
  if (stats.isDirectory()) throw new LiveFilesError('is-a-folder');
  if (!stats.isFile()) throw new LiveFilesError('not-a-regular-file');
}

/** Only root can give away what it makes; what an ordinary user makes stays its own. */
async function giveNewTo(handle: FileHandle, owner: BigIntStats): Promise<void> {
  if (process.geteuid?.() === 0) await giveTo(handle, owner);
}

async function giveTo(handle: FileHandle, { uid, gid }: BigIntStats): Promise<void> {
  const now = await handle.stat({ bigint: true });
  if (now.uid !== uid || now.gid !== gid) await handle.chown(Number(uid), Number(gid));
}
