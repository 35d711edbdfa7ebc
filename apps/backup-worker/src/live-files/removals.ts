import { randomUUID } from 'node:crypto';
import { chmod, mkdir, readdir, rename, rmdir, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../file-system/paths.js';
import { REMOVALS_AT_ONCE } from './limits.js';
import { itself, namesIn, pin, within } from './pinned.js';

/**
 * Removes whole folders: one rename takes the folder out of the project into a private place, so that nobody sees half
 * of it; there it is taken apart. No link is followed, and a folder of any depth takes few open files: each folder in it
 * is moved up beside it before its own turn comes.
 */
export class Removals {
  readonly #running = new Set<string>();

  /** @param folder private to the worker, there, and on the projects' file system */
  constructor(
    readonly folder: string,
    readonly entriesAtOnce = REMOVALS_AT_ONCE,
  ) {}

  /** Takes the entry at the path away. @returns its name here, for finish */
  takeAway(path: Buffer): Promise<string> {
    const name = newName();
    return this.#holding(name, async (place) => {
      await mkdir(place, 0o700);
      try {
        await rename(path, join(place, 'top'));
      } catch (error) {
        await rmdir(place);
        throw error;
      }
      return name;
    });
  }

  /** Lends an empty private folder on the same file system; what is left in it is removed. */
  inPlace(work: (place: string) => Promise<void>): Promise<void> {
    return this.#holding(newName(), async (place) => {
      await mkdir(place, 0o700);
      try {
        await work(place);
      } finally {
        await takeApart(place, this.entriesAtOnce);
      }
    });
  }

  /** Removes for good what was taken away, as far as one call may. @returns whether nothing is left for the sweep */
  async finish(name: string): Promise<boolean> {
    if (this.#running.has(name)) return false;
    return await this.#holding(name, (place) => takeApart(place, this.entriesAtOnce));
  }

  /** Goes on with what was too large for one call, was cut off or failed. @returns what is still left, and why */
  async sweep(): Promise<RemovalLeft[]> {
    const left: RemovalLeft[] = [];
    for (const name of await readdir(this.folder)) {
      if (!name.startsWith(PREFIX) || this.#running.has(name)) continue;
      try {
        if (!(await this.finish(name))) left.push({ name });
      } catch (error) {
        left.push({ name, error });
      }
    }
    return left;
  }

  async #holding<Result>(name: string, work: (place: string) => Promise<Result>): Promise<Result> {
    this.#running.add(name);
    try {
      return await work(join(this.folder, name));
    } finally {
      this.#running.delete(name);
    }
  }
}

export interface RemovalLeft {
  name: string;
  error?: unknown;
}

const PREFIX = 'removed-';

function newName(): string {
  return `${PREFIX}${randomUUID()}`;
}

async function takeApart(place: string, entries: number): Promise<boolean> {
  for (let names = await readdir(place); names.length > 0; names = await readdir(place)) {
    for (const name of names) {
      entries -= 1 + (await removeEntry(join(place, name), place, entries));
      if (entries <= 0) return false;
    }
  }
  await rmdir(place);
  return true;
}

/** @returns how many entries a folder had, at most the limit */
async function removeEntry(path: string, place: string, limit: number): Promise<number> {
  if (await unlinked(path)) return 0;
  await using folder = await pin(path);
  const count = await empty(folder, place, limit);
  // What a process that still works in it has added comes in the next round.
  if (count < limit) await rmdir(path).catch(unless('ENOTEMPTY'));
  return count;
}

async function empty(folder: FileHandle, place: string, limit: number): Promise<number> {
  await allowAll(folder);
  let count = 0;
  for await (const { name } of await namesIn(folder)) {
    const path = within(folder, name);
    if (!(await unlinked(path))) {
      await using inner = await pin(path);
      await allowAll(inner);
      await rename(path, join(place, randomUUID()));
    }
    count += 1;
    if (count >= limit) break;
  }
  return count;
}

/** Removes whatever is no folder. @returns whether it was none */
async function unlinked(path: string | Buffer): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    unless('EISDIR')(error);
    return false;
  }
}

/** An ordinary user has to open what is closed to its own owner. It is on its way out, so nobody misses the mode. */
async function allowAll(pinned: FileHandle): Promise<void> {
  if (process.geteuid?.() !== 0 && (await pinned.stat()).isDirectory()) await chmod(itself(pinned), 0o700);
}

function unless(errno: string): (error: unknown) => void {
  return (error) => {
    if (errorCode(error) !== errno) throw error;
  };
}
