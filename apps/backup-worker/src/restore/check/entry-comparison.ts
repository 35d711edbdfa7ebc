import type { BigIntStats } from 'node:fs';
import type { FindingKind } from '../../host-data/index.js';
import { shownBytes } from './findings.js';
import type { EntryType, SnapshotEntry } from './snapshot-entry.js';

export type EntryDifference = { kind: FindingKind; detail: string };

/** In what an entry on disk differs from the snapshot's. Of another type, it has nothing else to compare. */
export function compareEntry(expected: SnapshotEntry, found: BigIntStats, linkTarget?: Buffer): EntryDifference[] {
  const type = typeOf(found);
  if (type !== expected.type) return [{ kind: 'type', detail: detail(expected.type, type) }];

  const differences: EntryDifference[] = [];
  const compare = <T>(kind: FindingKind, wanted: T, is: T, shown: (value: T) => string = String) => {
    if (wanted !== is) differences.push({ kind, detail: detail(shown(wanted), shown(is)) });
  };
  compare('owner', expected.uid, Number(found.uid), (uid) => `user ${uid}`);
  compare('owner', expected.gid, Number(found.gid), (gid) => `group ${gid}`);
  compare('mtime', expected.mtimeNs, found.mtimeNs, (ns) => `${ns} ns`);
  // Linux gives every symlink the mode 0777.
  if (type !== 'symlink') compare('mode', expected.mode & 0o7777, Number(found.mode) & 0o7777, octal);
  if (type === 'file') compare('size', BigInt(expected.size), found.size, (size) => `${size} bytes`);
  if (type === 'symlink') compare('link-target', latin1(expected.linkTarget), latin1(linkTarget), shownLatin1);
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

function detail(wanted: string, is: string): string {
  return `${wanted} in the backup, ${is} on disk`;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

function latin1(target: Buffer | undefined): string {
  return target?.toString('latin1') ?? '';
}

function shownLatin1(target: string): string {
  return shownBytes(Buffer.from(target, 'latin1'));
}
