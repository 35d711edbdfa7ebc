import { isUtf8 } from 'node:buffer';
import { constants } from 'node:fs';
import { access, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { changeTree } from '@buckets/trees';

const KINDS = ['edited', 'added', 'renamed', 'deleted'] as const;
const OF_EACH_KIND = 5;
/** A project that has suddenly lost nine tenths of its bytes looks broken to Buckets: this much may go at most. */
const MAY_GO = 0.8;

/**
 * Edits, adds, renames and deletes some files of a project, as somebody at work would.
 *
 * @returns what was done, such as `5 edited, 5 added, 5 renamed, 5 deleted`
 */
export async function changeSomeFiles(projectFolder: string, seed: number): Promise<string> {
  const changes = await changeTree(await placeToWork(projectFolder), seed, OF_EACH_KIND);
  const counts = KINDS.map((kind) => ({ kind, count: changes.filter((change) => change.kind === kind).length }));
  return counts.map(({ kind, count }) => `${count} ${kind}`).join(', ');
}

/** A folder and all that is in it. */
interface Place {
  folder: Buffer;
  files: number;
  bytes: number;
  /** Bytes of the largest files: what is lost if just these are deleted. */
  largest: number[];
  /** Whether this user may write to everything. */
  writable: boolean;
}

/** Where there are the most files, all of them writable, and a few of them may go. */
async function placeToWork(projectFolder: string): Promise<string> {
  const places: Place[] = [];
  const { bytes } = await survey(Buffer.from(join(projectFolder, 'project')), places);
  const fitting = places.filter(
    ({ folder, writable, largest }) => writable && isUtf8(folder) && sum(largest) <= MAY_GO * bytes,
  );
  const best = fitting.sort((one, other) => other.files - one.files)[0];
  return best?.folder.toString() ?? join(projectFolder, 'persist');
}

/** Looks at a folder and those in it, and adds each of them to the places. */
async function survey(folder: Buffer, places: Place[]): Promise<Place> {
  const readable = await allowed(folder, constants.R_OK | constants.X_OK);
  const writable = readable && (await allowed(folder, constants.W_OK));
  const place: Place = { folder, files: 0, bytes: 0, largest: [], writable };
  for (const entry of readable ? await readdir(folder, { withFileTypes: true, encoding: 'buffer' }) : []) {
    const path = Buffer.concat([folder, Buffer.from('/'), entry.name]);
    if (entry.isDirectory()) add(place, await survey(path, places));
    if (entry.isFile()) {
      const [{ size }, mayWrite] = await Promise.all([lstat(path), allowed(path, constants.W_OK)]);
      add(place, { files: 1, bytes: size, largest: [size], writable: mayWrite });
    }
  }
  places.push(place);
  return place;
}

function add(place: Place, { files, bytes, largest, writable }: Omit<Place, 'folder'>): void {
  place.files += files;
  place.bytes += bytes;
  place.largest = [...place.largest, ...largest].sort((one, other) => other - one).slice(0, OF_EACH_KIND);
  place.writable &&= writable;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

async function allowed(path: Buffer, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
