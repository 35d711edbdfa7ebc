import { lstat, opendir } from 'node:fs/promises';
import type { BigIntStats } from 'node:fs';
import { errorCode, isAbsence } from '../file-system/paths.js';

/**
 * What tells a folder from any other that stands at the same path later. File systems hand out inode numbers again,
 * so the moment of birth belongs to it where the file system knows one; `dev` is for people, as it may change with a reboot.
 */
export interface RootIdentity {
  dev: string;
  ino: string;
  bornNs: string | null;
}

/** What a look at a root's place found. */
export type RootSight =
  { kind: 'absent' } | { kind: 'folder'; identity: RootIdentity; empty: boolean } | { kind: 'other'; what: string };

/** Looks at a place without following a link. `device` is the file system on which a root has to be. */
export async function lookAt(path: string, device: bigint): Promise<RootSight> {
  let stats: BigIntStats;
  try {
    stats = await lstat(path, { bigint: true });
  } catch (error) {
    if (isAbsence(error)) return { kind: 'absent' };
    throw error;
  }
  if (!stats.isDirectory()) return { kind: 'other', what: nameOfType(stats) };
  if (stats.dev !== device) return { kind: 'other', what: 'a folder of another file system' };
  return { kind: 'folder', identity: identityOf(stats), empty: await isEmpty(path) };
}

export function identityOf(stats: BigIntStats): RootIdentity {
  return {
    dev: stats.dev.toString(),
    ino: stats.ino.toString(),
    bornNs: stats.birthtimeNs === 0n ? null : stats.birthtimeNs.toString(),
  };
}

export function isSameRoot(a: RootIdentity, b: RootIdentity): boolean {
  return a.ino === b.ino && (a.bornNs === null || b.bornNs === null || a.bornNs === b.bornNs);
}

/** A folder that may not be read counts as one with something in it: better kept than restored over. */
async function isEmpty(folder: string): Promise<boolean> {
  try {
    await using entries = await opendir(folder);
    return (await entries.read()) === null;
  } catch (error) {
    if (errorCode(error) === 'EACCES') return false;
    throw error;
  }
}

function nameOfType(stats: BigIntStats): string {
  if (stats.isSymbolicLink()) return 'a symbolic link';
  if (stats.isFile()) return 'a file';
  return 'neither a folder nor a file';
}
