import type { BigIntStats } from 'node:fs';
import { lstat, type FileHandle } from 'node:fs/promises';
import { momentAt } from '@buckets/contracts';
import { isAbsence } from '../file-system/paths.js';
import { escapeName } from '../file-system/escaped-name.js';
import { FOLDER_ENTRIES, NAME_BYTES } from './limits.js';
import { LiveFilesError } from './live-files-error.js';
import { namesIn, within } from './pinned.js';

export interface LiveEntry {
  /** As escapeName gives it; '' for the project's folder. */
  name: string;
  type: 'file' | 'folder' | 'link' | 'fifo' | 'socket' | 'device';
  /** Bytes; of a link the length of its target. */
  size: number;
  /** ISO 8601, UTC, milliseconds. */
  mtime: string;
  /** The twelve permission bits. */
  mode: number;
}

export interface LivePage {
  entries: LiveEntry[];
  /** Where the next page begins; left out on the last one. */
  nextCursor?: string;
}

/**
 * One page of a folder, in the order of the names' bytes. The memory it takes does not grow with the folder. Names that
 * come or go between two pages may be missed; all others are on exactly one page.
 *
 * @throws LiveFilesError bad-cursor, folder-too-large
 */
export async function folderPage(
  folder: FileHandle,
  isShown: (name: Buffer) => boolean,
  limit: number,
  cursor?: string,
): Promise<LivePage> {
  const names = await smallestNames(folder, isShown, limit + 1, cursor === undefined ? undefined : readCursor(cursor));
  const shown = names.slice(0, limit);
  const seen = await Promise.all(shown.map((name) => entryIfThere(folder, name)));
  const entries = seen.filter((entry) => entry !== undefined);
  const last = shown.at(-1);
  return names.length > limit && last ? { entries, nextCursor: last.toString('base64url') } : { entries };
}

export function liveEntry(name: Buffer, stats: BigIntStats): LiveEntry {
  return {
    name: escapeName(name),
    type: typeOf(stats),
    size: Number(stats.size),
    mtime: momentAt(Number(stats.mtimeNs / 1_000_000n)),
    mode: Number(stats.mode) & 0o7777,
  };
}

async function smallestNames(
  folder: FileHandle,
  isShown: (name: Buffer) => boolean,
  count: number,
  after?: Buffer,
): Promise<Buffer[]> {
  let smallest: Buffer[] = [];
  let seen = 0;
  for await (const { name } of await namesIn(folder)) {
    seen += 1;
    if (seen > FOLDER_ENTRIES) throw new LiveFilesError('folder-too-large');
    if (!isShown(name) || (after && Buffer.compare(name, after) <= 0)) continue;
    smallest.push(name);
    if (smallest.length >= 4 * count) smallest = smallest.sort(Buffer.compare).slice(0, count);
  }
  return smallest.sort(Buffer.compare).slice(0, count);
}

async function entryIfThere(folder: FileHandle, name: Buffer): Promise<LiveEntry | undefined> {
  try {
    return liveEntry(name, await lstat(within(folder, name), { bigint: true }));
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

function readCursor(cursor: string): Buffer {
  const name = Buffer.from(cursor, 'base64url');
  if (name.length === 0 || name.length > NAME_BYTES || name.toString('base64url') !== cursor) {
    throw new LiveFilesError('bad-cursor');
  }
  return name;
}

function typeOf(stats: BigIntStats): LiveEntry['type'] {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'folder';
  if (stats.isSymbolicLink()) return 'link';
  if (stats.isFIFO()) return 'fifo';
  return stats.isSocket() ? 'socket' : 'device';
}
