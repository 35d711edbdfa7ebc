import type { BigIntStats } from 'node:fs';
import { shownBytes } from './findings.js';
import type { FindingKind } from './findings.js';
import type { EntryType, SnapshotEntry } from './snapshot-entry.js';

export type EntryDifference = { kind: FindingKind; detail: string };

/** In what an entry on disk differs from the snapshot's. Of another type, it has nothing else to compare. */
export function compareEntry(expected: SnapshotEntry, found: BigIntStats, linkTarget?: Buffer): EntryDifference[] {
  const type = typeOf(found);
  if (type !== expected.type) return [differs('type', expected.type, type)];

  const differences: EntryDifference[] = [];
  const compare = (kind: FindingKind, wanted: bigint | number | string, is: bigint | number | string) => {
    if (wanted !== is) differences.push(differs(kind, wanted, is));
  };
  compare('owner', `${expected.uid}:${expected.gid}`, `${found.uid}:${found.gid}`);
  compare('mtime', `${expected.mtimeNs} ns`, `${found.mtimeNs} ns`);
  // Linux gives every symlink the mode 0777.
  if (type !== 'symlink') compare('mode', octal(expected.mode & 0o7777), octal(Number(found.mode & 0o7777n)));
  if (type === 'file') compare('size', BigInt(expected.size), found.size);
  if (type === 'symlink') compare('link-target', shown(expected.linkTarget), shown(linkTarget));
  if (type === 'chardev' || type === 'blockdev') compare('device', BigInt(expected.rdev ?? 0), found.rdev);
  return differences;
}

/** The type of an entry that was looked at without following links. */
export function typeOf(stats: BigIntStats): EntryType {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'dir';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isFIFO()) return 'fifo';
  if (stats.isSocket()) return 'socket';
  return stats.isCharacterDevice() ? 'chardev' : 'blockdev';
}

function differs(kind: FindingKind, wanted: bigint | number | string, is: bigint | number | string): EntryDifference {
  return { kind, detail: `${wanted} in the backup, ${is} on disk` };
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

function shown(target: Buffer | undefined): string {
  return target ? shownBytes(target) : 'nothing';
}
