import { constants, type BigIntStats } from 'node:fs';
import { mkdir, open, rename, type FileHandle } from 'node:fs/promises';
import { isAbsence } from '../file-system/paths.js';
import { liveEntry, type LiveEntry } from './folder-page.js';
import { LiveFilesError } from './live-files-error.js';
import { copyAttributes } from './attributes.js';
import { pinWithin, syncFolder, within } from './pinned.js';
import type { PinnedEntry } from './project-folders.js';

/**
 * Puts a complete file in its place in one step, on disk when this returns. A file that was there hands over its owner,
 * mode, access list and extended attributes, but for setuid, setgid and capabilities, which a write clears; what it
 * cannot hand over is not written. A new one belongs to the owner of its folder.
 */
export async function placeFile(
  file: string,
  parent: Pick<PinnedEntry, 'pinned' | 'stats'>,
  name: Buffer,
  newMode: number,
  changing: <Result>(change: () => Promise<Result>) => Promise<Result>,
): Promise<LiveEntry> {
  await using old = await pinnedFile(parent, name);
  await using content = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  if (old) {
    await copyAttributes(old.pinned, content);
    // Also where nothing changes by it: that is how the kernel takes capabilities away.
    await content.chown(Number(old.stats.uid), Number(old.stats.gid));
    await content.chmod(Number(old.stats.mode) & 0o1777);
  } else {
    await giveNewTo(content, parent.stats);
    await content.chmod(newMode);
  }
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
export async function placeFolder(
  made: string,
  parent: Pick<PinnedEntry, 'pinned' | 'stats'>,
  name: Buffer,
): Promise<void> {
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
export async function replaceableFile(
  parent: Pick<PinnedEntry, 'pinned' | 'stats'>,
  name: Buffer,
): Promise<BigIntStats | undefined> {
  await using found = await pinnedFile(parent, name);
  return found?.stats;
}

/** @throws LiveFilesError path-is-a-link */
export async function statsWithin(folder: FileHandle, name: Buffer): Promise<BigIntStats | undefined> {
  await using found = await pinnedIfThere(folder, name);
  return found?.stats;
}

/** The same as replaceableFile, held open. */
async function pinnedFile(
  parent: Pick<PinnedEntry, 'pinned' | 'stats'>,
  name: Buffer,
): Promise<PinnedEntry | undefined> {
  const found = await pinnedIfThere(parent.pinned, name);
  try {
    if (found) mustBeFile(found.stats);
    return found;
  } catch (error) {
    await found?.[Symbol.asyncDispose]();
    throw error;
  }
}

async function pinnedIfThere(folder: FileHandle, name: Buffer): Promise<PinnedEntry | undefined> {
  try {
    const { pinned, stats } = await pinWithin(folder, name);
    return { pinned, stats, [Symbol.asyncDispose]: () => pinned.close() };
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

export function mustBeFile(stats: BigIntStats): void {
  if (stats.isDirectory()) throw new LiveFilesError('is-a-folder');
  if (!stats.isFile()) throw new LiveFilesError('not-a-regular-file');
}

/** Only root can give away what it makes; what an ordinary user makes stays its own. */
async function giveNewTo(handle: FileHandle, { uid, gid }: BigIntStats): Promise<void> {
  if (process.geteuid?.() === 0) await handle.chown(Number(uid), Number(gid));
}
