import type { RootName } from '../../host-data/host-folders.js';

export type EntryType = 'file' | 'dir' | 'symlink' | 'fifo' | 'socket' | 'chardev' | 'blockdev';

/** One file, folder or other entry of a snapshot, as the repository has it. */
export interface SnapshotEntry {
  /** Raw bytes, relative to the snapshot, without a leading slash: `project/src/main.ts`. */
  path: Buffer;
  type: EntryType;
  /** Unix permission bits with setuid, setgid and sticky (0o7777). */
  mode: number;
  uid: number;
  gid: number;
  /** Nanoseconds since 1970. */
  mtimeNs: bigint;
  /** Bytes; only a file's counts. */
  size: bigint | number;
  /** Of a symlink. */
  linkTarget?: Buffer;
  /** With `deviceId`: which file this was on the host that made the backup. */
  inode?: bigint | number;
  deviceId?: bigint | number;
  /** Number of hard links there, in the backup or not. */
  links?: number;
  xattrs?: Xattr[];
  /** Of a chardev or blockdev: Linux's device number, as in `st_rdev`. */
  rdev?: bigint | number;
}

/** Those of the entries that are in these roots, the roots themselves among them. */
export async function* entriesWithin(
  roots: readonly RootName[],
  entries: AsyncIterable<SnapshotEntry>,
): AsyncGenerator<SnapshotEntry> {
  const wanted = new Set<string>(roots);
  for await (const entry of entries) {
    const end = entry.path.indexOf('/');
    if (wanted.has(entry.path.toString('latin1', 0, end < 0 ? undefined : end))) yield entry;
  }
}

export interface Xattr {
  name: string;
  value: Buffer;
}
