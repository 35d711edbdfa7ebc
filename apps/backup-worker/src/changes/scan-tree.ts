import { type BigIntStats, constants, type Dir, lstatSync, readlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { TreeScan } from './change-ledger.js';
import { EntrySum } from './entry-sum.js';
import { Pace } from './pace.js';
import { attempt, bytes, latin1, nextIn, openFolder, type Seen } from './raw-entries.js';

export interface ScanOptions {
  /** Absolute paths. A missing root is part of the fingerprint. */
  roots: readonly string[];
  pace?: Pace;
  /**
   * When a flush of all file systems of the roots began that has ended, in milliseconds since 1970: what was stamped before
   * has been written back. Default 0: nobody knows.
   */
  flushedAt?: number;
  /** Without it, what has changed since `flushedAt` leaves the scan unsettled. */
  flush?: Flush;
  /** Asked at each rest: a scan that is no longer wanted ends with `undefined`. */
  wanted?: () => boolean;
}

/** Writes dirty pages to the disk, after which the next store into each of them is stamped. */
export interface Flush {
  file(path: Buffer): Promise<void>;
  /** Everything: see `ScanOptions.flushedAt`, which it returns. */
  all(): Promise<number>;
}

/** Clock ticks of file systems: up to 10 ms, or a second (ext3, small inodes). With a margin. */
const TICK_MS = 50;
const COARSE_TICK_MS = 2_000;
/** Of a stamp that is no more than a tick ahead. One from further in the future is not waited for. */
const LONGEST_REST_MS = 2 * COARSE_TICK_MS;
/** How often one scan looks again at entries that changed lately, and how often it flushes just that file for it. */
const SETTLE_ATTEMPTS = 40;
const FLUSHED_SINGLY = 32;

/** The tree cannot be looked at now: an I/O error, no free file descriptors. */
export class ScanFailed extends Error {
  readonly code = 'scan-failed';
  constructor(path: string, cause: unknown) {
    super(
      `Cannot look at ${JSON.stringify(path)}: ${(cause as Error).message}. Check the disk and the open-files limit.`,
      {
        cause,
      },
    );
  }
}

/**
 * Takes the fingerprint of a tree: of the path and metadata of every entry, ctime and inode above all. Links are not followed,
 * contents not read. Memory stays flat: a folder of a million names is neither held nor sorted.
 *
 * Left out: atime (reading is no change), the number of links and the allocated blocks (file systems change the latter on
 * their own, later; all that people do to them changes ctime too). Not seen: a mount over a folder that comes and goes, which
 * the mount table tells (`ChangeTracker.remounted`); a clock set back to the very nanosecond; stores into mapped files on
 * tmpfs (its pages are never written back).
 *
 * @throws {ScanFailed}
 */
export async function scanTree(options: ScanOptions): Promise<TreeScan | undefined> {
  return await new Scan(options).run();
}

/** Writes one file back. */
export async function flushFile(path: Buffer): Promise<void> {
  // Whatever has taken the file's place meanwhile: a link is not followed, a FIFO not waited for.
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  await file.datasync();
}

class Scan {
  readonly #pace: Pace;
  readonly #sum = new EntrySum();
  /** Paths are Latin-1 strings (`raw-entries.ts`). */
  readonly #folders: string[] = [];
  #settled = true;
  #attempts = 0;
  #flushedAt: number;

  constructor(private readonly options: ScanOptions) {
    this.#pace = options.pace ?? new Pace();
    this.#flushedAt = options.flushedAt ?? 0;
  }

  async run(): Promise<TreeScan | undefined> {
    for (const [index, root] of this.options.roots.entries()) {
      const path = latin1(root);
      const look = lookAt(path);
      const top = { index, pathLength: path.length };
      this.#add(top, path, look && !this.#isSettled(look) ? await this.#settle(path, look) : look);
      for (let folder = this.#folders.pop(); folder !== undefined; folder = this.#folders.pop()) {
        if (!(await this.#list(top, folder))) return undefined;
      }
    }
    return { fingerprint: this.#sum.hex(), entries: this.#sum.entries, settled: this.#settled };
  }

  /** Returns whether the scan is still wanted. Awaits only where it has to: an await for each entry costs as much as the look. */
  async #list(top: Top, folder: string): Promise<boolean> {
    const opened = reach(folder, () => openFolder(folder));
    if (opened?.outOfReach) this.#add(top, `${folder}/`, { at: 0, ...opened });
    const listing = opened?.result;
    try {
      for (let path = nextPath(folder, listing); path !== undefined; path = nextPath(folder, listing)) {
        const look = lookAt(path);
        this.#add(top, path, look && !this.#isSettled(look) ? await this.#settle(path, look) : look);
        if (this.#pace.spent() && !(await this.#rest())) return false;
      }
    } finally {
      listing?.closeSync();
    }
    return !this.#pace.spent() || (await this.#rest());
  }

  async #rest(): Promise<boolean> {
    await this.#pace.rest();
    return this.options.wanted?.() !== false;
  }

  /** Whether any change after the look is certain to show. `flushedAt`: when a flush of just this file began, if there was one. */
  #isSettled({ stat, at }: Look, flushedAt = 0): boolean {
    if (!stat) return true;
    // A ctime from the future proves nothing: the clock of the server that stamps may be ahead, and its next stamp the same.
    const moment = stat.isFile() ? Math.max(flushedAt, this.#flushedAt) : at;
    return moment > 0 && nextTick(stat) < moment;
  }

  /** Looks again until the entry is settled; gives that up for one that never rests. */
  async #settle(path: string, first: Look): Promise<Look | undefined> {
    let look: Look | undefined = first;
    let flushedAt = 0;
    while (look?.stat && !this.#isSettled(look, flushedAt)) {
      const restsIn = nextTick(look.stat) + 1 - Date.now();
      const isVain = restsIn > LONGEST_REST_MS || this.#attempts >= SETTLE_ATTEMPTS;
      if (!this.options.flush || isVain || this.options.wanted?.() === false) {
        this.#settled = false;
        break;
      }
      this.#attempts += 1;
      await delay(Math.max(0, restsIn));
      if (look.stat.isFile()) flushedAt = await this.#flush(this.options.flush, path);
      look = lookAt(path);
    }
    return look;
  }

  /** A few files are flushed one by one, as others may be writing gigabytes to the file system. Returns when the flush began. */
  async #flush(flush: Flush, path: string): Promise<number> {
    const began = Date.now();
    if (this.#attempts > FLUSHED_SINGLY) {
      this.#flushedAt = await flush.all();
      // Another attempt would be as vain, and an unsettled scan says it all.
      if (this.#flushedAt < began) this.#attempts = SETTLE_ATTEMPTS;
      return this.#flushedAt;
    }
    try {
      await flush.file(bytes(path));
      return began;
    } catch {
      // The next attempt is for everything.
      this.#attempts = FLUSHED_SINGLY;
      return 0;
    }
  }

  #add(top: Top, path: string, look: Look | undefined): void {
    if (!look) return;
    const { stat, outOfReach } = look;
    const link = stat?.isSymbolicLink() ? reach(path, () => readlinkSync(bytes(path), 'latin1')) : undefined;
    this.#sum.add({
      root: top.index,
      path: path.slice(top.pathLength),
      stat,
      device: path.length === top.pathLength ? stat?.dev : undefined,
      note: outOfReach ?? link?.outOfReach ?? link?.result ?? '',
    });
    if (stat?.isDirectory()) this.#folders.push(path);
  }
}

/** One of the roots. */
interface Top {
  index: number;
  pathLength: number;
}

/** What an entry looked like; `at` is before the look, in milliseconds since 1970. */
interface Look {
  at: number;
  stat?: BigIntStats;
  outOfReach?: string;
}

function lookAt(path: string): Look | undefined {
  const at = Date.now();
  const seen = reach(path, () => lstatSync(bytes(path), { bigint: true }));
  return seen && { at, stat: seen.result, outOfReach: seen.outOfReach };
}

/** When a change is certain to get another ctime than the one seen. */
function nextTick({ ctimeNs }: BigIntStats): number {
  return milliseconds(ctimeNs) + (ctimeNs % 1_000_000_000n === 0n ? COARSE_TICK_MS : TICK_MS);
}

function milliseconds(ns: bigint): number {
  return Number(ns / 1_000_000n);
}

function nextPath(folder: string, listing: Dir | undefined): string | undefined {
  try {
    const entry = listing && nextIn(listing);
    return entry ? `${folder}/${entry.name.toString('latin1')}` : undefined;
  } catch (error) {
    throw new ScanFailed(folder, error);
  }
}

function reach<T>(path: string, at: () => T): Seen<T> | undefined {
  try {
    return attempt(at);
  } catch (error) {
    throw new ScanFailed(path, error);
  }
}
