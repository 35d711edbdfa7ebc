import { constants, existsSync, type BigIntStats } from 'node:fs';
import { open, opendir, type FileHandle } from 'node:fs/promises';
import { LiveFilesError } from './live-files-error.js';

/** Not among Node's constants; the same number on x64 and arm64 (asm-generic/fcntl.h). */
const O_PATH = 0o10000000;

/**
 * A handle on the entry itself, whatever it is, without opening its content: no link is followed, no FIFO waits for a
 * writer, no device is touched. What is found out about it stays true of it, wherever somebody moves it or its name.
 */
export function pin(path: string | Buffer): Promise<FileHandle> {
  return open(path, O_PATH | constants.O_NOFOLLOW);
}

/** The path of a pinned entry. The kernel resolves it to the entry that is held, not by name. */
export function itself(pinned: FileHandle): string {
  return `/proc/self/fd/${pinned.fd}`;
}

/** The path of a name in a pinned folder: with a call that does not follow links this is openat, renameat, unlinkat. */
export function within(folder: FileHandle, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${itself(folder)}/`), name]);
}

/**
 * Pins a name in a pinned folder.
 *
 * @throws LiveFilesError path-is-a-link
 */
export async function pinWithin(folder: FileHandle, name: Buffer): Promise<{ pinned: FileHandle; stats: BigIntStats }> {
  const pinned = await pin(within(folder, name));
  try {
    const stats = await pinned.stat({ bigint: true });
    if (stats.isSymbolicLink()) throw new LiveFilesError('path-is-a-link');
    return { pinned, stats };
  } catch (error) {
    await pinned.close();
    throw error;
  }
}

/** The names in a pinned folder, as the file system gives them; read in portions, whatever their number. */
export async function namesIn(folder: FileHandle): Promise<AsyncIterable<{ name: Buffer }>> {
  // Node gives Buffers for this encoding; its types do not know.
  const options = { encoding: 'buffer' as BufferEncoding, bufferSize: 1024 };
  return (await opendir(itself(folder), options)) as AsyncIterable<{ name: string | Buffer }> as AsyncIterable<{
    name: Buffer;
  }>;
}

/** Flushes a folder's names to disk. */
export async function syncFolder(pinned: FileHandle): Promise<void> {
  await using folder = await open(itself(pinned), constants.O_RDONLY | constants.O_DIRECTORY);
  await folder.sync();
}

export function requireProc(): void {
  if (!existsSync('/proc/self/fd'))
    throw new Error('Live files need Linux with /proc mounted: mount it and start again.');
}
