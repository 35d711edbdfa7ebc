import type { BigIntStats } from 'node:fs';
import type { EntryDifference } from './entry-comparison.js';
import type { SnapshotEntry } from './snapshot-entry.js';

/** Checks that the same names are hard links to one file on disk as in the snapshot. Holds only entries with several links. */
export class HardLinks {
  readonly #inodeOfGroup = new Map<string, bigint>();
  readonly #groupOfInode = new Map<bigint, string>();

  /** To be called once for each entry, in any order: whichever name of a file comes first, the others are judged by. */
  compare(expected: SnapshotEntry, found: BigIntStats): EntryDifference[] {
    if (expected.type === 'dir') return [];
    const grouped = (expected.links ?? 1) > 1 && expected.inode !== undefined;
    if (!grouped && found.nlink === 1n) return [];
    const group = grouped ? `${expected.deviceId ?? 0}:${expected.inode}` : `alone:${expected.path.toString('latin1')}`;
    const inode = remember(this.#inodeOfGroup, group, found.ino);
    const owner = remember(this.#groupOfInode, found.ino, group);
    if (inode === found.ino && owner === group) return [];
    const detail =
      inode === found.ino
        ? 'linked to another file than in the backup'
        : 'a hard link in the backup, a file of its own on disk';
    return [{ kind: expected.type === 'file' ? 'hard-link' : 'special-hard-link', detail }];
  }
}

/** The value that a key got first. */
function remember<K, V>(map: Map<K, V>, key: K, value: V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  map.set(key, value);
  return value;
}
