import { readFile } from 'node:fs/promises';
import { errorCode } from '../file-system/paths.js';
import type { Disk } from '../host-data/disk.js';
import type { MarkerSight } from './judge-data-root.js';

/** A host id has 63 characters at most; of anything else the beginning tells enough. */
const SHOWN = 100;

/** What the marker says. It is a line of text, so that a person can write one. */
export async function lookAtMarker(file: string): Promise<MarkerSight> {
  try {
    return { hostId: (await readFile(file, 'utf8')).trim().slice(0, SHOWN) };
  } catch (error) {
    const code = errorCode(error) ?? String(error);
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'absent' : { unreadable: code };
  }
}

export async function writeMarker(file: string, hostId: string, disk: Disk): Promise<void> {
  await disk.writeText(file, `${hostId}\n`);
}
