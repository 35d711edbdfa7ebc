import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { errorCode } from '../file-system/paths.js';
import { flushFileSystem } from '../host-data/flush.js';
import { mountPointsWithin } from '../file-system/mount-points.js';
import { ClockWatch } from './clock-watch.js';

/** When a flush began that has ended well: what had been stored before is on the disk. */
export interface Flushed {
  /** Milliseconds since 1970. */
  at: number;
  /** The same by `performance.now()`. */
  steadyAt: number;
}

export interface FlushesOptions {
  /** So long after its beginning nobody waits for a flush any more; it goes on, and counts once it has ended. Default 60 s. */
  waitMs?: number;
  clock?: ClockWatch;
  /** Writes back the file system that an open file is in. Default: `syncfs`. */
  flush?: (handle: FileHandle) => Promise<void>;
}

/** The disk does not keep up. */
export class FlushTakesLong extends Error {
  readonly code = 'flush-takes-long';
  constructor() {
    super(
      'The file system of the project has not been written back in time. Until it is, no backup can be enough, and files are ' +
        'read that could be left unread. Check the disk, and what is being written to it.',
    );
  }
}

/** One that takes longer has a disk that does not answer. */
const FLUSH_LIMIT_MS = 3_600_000;
const OUT_OF_REACH = new Set(['EACCES', 'EPERM']);
const GONE = new Set(['ENOENT', 'ENOTDIR']);

/**
 * Has file systems written back, one flush at a time for each, which all projects in it share. The kernel stamps the first
 * store into a memory-mapped page and none after it until the page has been written back; so after a flush each page's next
 * store is stamped, and later than the flush began.
 *
 * Not on tmpfs, whose pages are never written back and whose mapped files are never stamped.
 */
export class Flushes {
  readonly clock: ClockWatch;
  readonly #waitMs: number;
  readonly #flush: (handle: FileHandle) => Promise<void>;
  /** By device. */
  readonly #last = new Map<bigint, Flushed>();
  readonly #running = new Map<bigint, Promise<void>>();

  constructor({ waitMs = 60_000, clock = new ClockWatch(), flush = flushBy }: FlushesOptions = {}) {
    this.clock = clock;
    this.#waitMs = waitMs;
    this.#flush = flush;
  }

  /**
   * The last flush of everything that is mounted at and below the folders: of several file systems, the earliest. Where the last
   * one began more than `maxAgeMs` ago, there is a new one first.
   *
   * @param problem is told of one that fails or takes long
   * @returns nothing where none is known: it failed or takes long, or the clock has been set back since
   */
  async flushed(
    folders: readonly string[],
    maxAgeMs: number,
    problem: (error: Error) => void,
  ): Promise<Flushed | undefined> {
    const wanted = performance.now() - maxAgeMs;
    try {
      const within = await Promise.all(folders.map(mountPointsWithin));
      const places = [...new Set([...folders, ...within.flat()])];
      const all = await Promise.all(places.map((place) => this.#lastOf(place, wanted)));
      const earliest = all.reduce((one, other) => (other.at < one.at ? other : one));
      return earliest === NOTHING_TO_FLUSH ? undefined : earliest;
    } catch (error) {
      // A folder that is not there has its own way of being told.
      if (!GONE.has(errorCode(error) ?? '')) problem(error as Error);
      return undefined;
    }
  }

  /** @throws where there is none */
  async #lastOf(place: string, wanted: number): Promise<Flushed> {
    await using handle = await open(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
      (error: unknown) => {
        if (OUT_OF_REACH.has(errorCode(error) ?? '')) return undefined;
        throw error;
      },
    );
    if (!handle) return NOTHING_TO_FLUSH;
    const { dev } = await handle.stat({ bigint: true });
    const recent = (): Flushed | undefined => {
      const last = this.#last.get(dev);
      return last && last.steadyAt >= wanted && !this.clock.wasSetBackSince(last.steadyAt) ? last : undefined;
    };
    // One that is under way may have begun too early; the one after it does not.
    for (let left = 2; left > 0 && !recent(); left--) await (this.#running.get(dev) ?? this.#begin(dev, handle));
    const last = recent();
    if (!last) throw new FlushTakesLong();
    return last;
  }

  /** Comes back when the flush has ended, or is not to be waited for any more. */
  #begin(dev: bigint, handle: FileHandle): Promise<void> {
    const began = { at: Date.now(), steadyAt: performance.now() };
    const ended = this.#flush(handle)
      .then(() => void this.#last.set(dev, began))
      .finally(() => this.#running.delete(dev));
    const waited = Promise.race([ended, delay(this.#waitMs, undefined, { ref: false })]);
    this.#running.set(dev, waited);
    return waited;
  }
}

/** rustic sees nothing there either, as it runs as the same user. */
const NOTHING_TO_FLUSH: Flushed = { at: Infinity, steadyAt: Infinity };

/** The program has the file open when this comes back, so that the handle may be closed. */
function flushBy(handle: FileHandle): Promise<void> {
  return flushFileSystem('/proc/self/fd/3', { timeoutMs: FLUSH_LIMIT_MS, files: [handle.fd] });
}
