import { lstatSync, opendirSync, type Dir, type Dirent, type Stats } from 'node:fs';
import { errorCode } from '../file-system/paths.js';
import type { Pace } from './pace.js';

/*
 * Entries by names that may be in any encoding, or none. Here paths are Latin-1 strings, a character for each byte; Node's own
 * would lose what is no UTF-8.
 */

/** What Node takes for a path. */
export const bytes = (path: string): Buffer => Buffer.from(path, 'latin1');

/** A path that Node knows as text. */
export const latin1 = (path: string): string => Buffer.from(path).toString('latin1');

const FOLDER_BATCH = 64;

/** Names as buffers, which the types of Node know for `readdir` only. */
const LISTING = { encoding: 'buffer' as BufferEncoding, bufferSize: FOLDER_BATCH };

/** A backup can read no more of such an entry than a look can. */
const OUT_OF_REACH = new Set(['EACCES', 'EPERM', 'ELOOP', 'ENAMETOOLONG']);
const GONE = new Set(['ENOENT', 'ENOTDIR']);

/** What a look gave, or why the entry is out of reach. */
export interface Seen<T> {
  result?: T;
  outOfReach?: string;
}

/** @returns nothing where the entry is gone @throws what else keeps it from being looked at */
export function attempt<T>(look: () => T): Seen<T> | undefined {
  try {
    return { result: look() };
  } catch (error) {
    const code = errorCode(error) ?? '';
    if (OUT_OF_REACH.has(code)) return { outOfReach: code };
    if (GONE.has(code)) return undefined;
    throw error;
  }
}

export function openFolder(path: string): Dir {
  return opendirSync(bytes(path), LISTING);
}

/** The next entry of a folder; null after the last one. */
export function nextIn(folder: Dir): Dirent<Buffer> | null {
  return folder.readSync() as unknown as Dirent<Buffer> | null;
}

/** The names of the folders in one; none where it is gone or out of reach. */
export async function* foldersIn(path: string, pace: Pace): AsyncGenerator<string> {
  const folder = attempt(() => openFolder(path))?.result;
  if (!folder) return;
  try {
    for (let entry = nextIn(folder); entry; entry = nextIn(folder)) {
      if (entry.isDirectory()) yield entry.name.toString('latin1');
      if (pace.spent()) await pace.rest();
    }
  } finally {
    folder.closeSync();
  }
}

/** What is there, links not followed; nothing where it is gone or out of reach. */
export function statOf(path: string): Stats | undefined {
  return attempt(() => lstatSync(bytes(path)))?.result;
}
