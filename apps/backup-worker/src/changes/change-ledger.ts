import type { ChangeCounter, ChangeReport } from '@buckets/contracts';
import { equalCounters } from '@buckets/freshness';

/** Backups whose first later change is remembered. */
const MARKS = 20;
/** Backups known to hold one and the same content. */
const SAME = 8;

/** What outlives the worker's process: a tree's fingerprint and the backups that began on exactly that tree. */
export interface Remembered {
  fingerprint: string;
  backups: ChangeCounter[];
}

/** What a look at a tree gave. */
export interface TreeScan {
  /** Hex. Equal for two scans only if nothing happened to any entry in between (see `settled`). */
  fingerprint: string;
  entries: number;
  /**
   * Whether every later change is sure to give another fingerprint. It is not for an entry that changed so recently
   * that a second change may get the same ctime, nor for a file that may have a dirty memory-mapped page: the kernel
   * stamps the first store into a page, and none after it until the page has been written back.
   */
  settled: boolean;
}

/** `missed`: the tree differs although nobody saw a change. `moved`: it changed during the scan, which says nothing. */
export type ScanOutcome = 'same' | 'first-look' | 'missed' | 'moved';

/**
 * What is known of the changes of one project: pure, no clock, no files.
 *
 * The promise: when `covers(backup, report)` says yes, the tree holds exactly what that backup holds, apart from changes that
 * the watcher has not told yet, or did not see and no scan has come past. Why it is kept:
 *
 * 1. It rests on the *fingerprint* of a tree (`scan-tree.ts`). Whatever is done to an entry gives it, or the folder it
 *    was in, a later ctime. So of two equal fingerprints, the earlier one *settled*, nothing happened to any entry between the
 *    looks that the two scans took at it.
 * 2. A backup begins *quietly* if there is a reference: the settled fingerprint of a scan that ended before it begins to read.
 *    Any later change is younger than every ctime in the reference. If the watcher sees it, n rises, sooner or later, and the
 *    backup's counter is the present one no more. If not, the next scan differs from the reference, and n rises
 *    then (`missed`).
 * 3. A backup that begins without a reference (n moved during each scan, or the scan did not settle) may lose a change that the
 *    watcher misses: the first scan after it has nothing to differ from. So n rises at once when it begins, and only the
 *    next backup can cover. (Were n raised when it ends, a crash before, or a first scan in between at the same n, would let
 *    a torn backup count.)
 * 4. An event may arrive long after its change, so that n rises for what the scan or the backup already held: careful, not
 *    wrong. But a change seen during a scan may have happened behind its back. Such a scan says nothing (`moved`).
 * 5. The reference keeps the counters of the backups that began on it. When a later scan gives the same fingerprint, at
 *    whatever counter, nothing has happened since before they began (1): they hold what is there (`sameAs`), until n
 *    rises again. That is how a new epoch, an overflow and a needless raise are made good, and it is all that outlives the
 *    process: the fingerprint and those counters. An old copy of them knows fewer backups, never wrong ones.
 * 6. A backup holds what it has read, or what its parent has read and it has left unread: a file whose ctime and inode are
 *    the same, and which was settled when the parent read it (`Flushes`, `settledBefore`).
 * 7. Each start, generation and restore begins an epoch of a random name, so that no counter from before equals one from
 *    after. A restore and a generation forget the reference too.
 */
export class ChangeLedger {
  #counter: ChangeCounter;
  #epochBeganAt: number;
  /** When the last look began that found nothing unexpected. */
  #lookedAt: number;
  #last?: { at: number; source: string };
  #marks: Mark[] = [];
  #reference?: Reference;

  constructor(start: { generation: number; epoch: string; at: number; remembered?: Remembered }) {
    this.#counter = { generation: start.generation, epoch: start.epoch, n: 0 };
    this.#epochBeganAt = start.at;
    this.#lookedAt = start.at;
    if (start.remembered) this.#reference = { ...start.remembered };
  }

  get counter(): ChangeCounter {
    return { ...this.#counter };
  }

  /** Whether a backup can begin quietly now. */
  get referenced(): boolean {
    return this.#reference?.n === this.#counter.n;
  }

  /** What to keep on disk; undefined if no backup is known to hold the tree of the reference. */
  get remembered(): Remembered | undefined {
    const { fingerprint, backups } = this.#reference ?? { backups: [] };
    return fingerprint && backups.length > 0 ? { fingerprint, backups: [...backups] } : undefined;
  }

  /** The data may have changed. Returns whether that is the first change after a backup, which is news. */
  raise(at: number, source: string): boolean {
    this.#counter.n += 1;
    this.#last = { at, source };
    const unchanged = this.#marks.filter((mark) => mark.changedAt === undefined);
    for (const mark of unchanged) mark.changedAt = at;
    return unchanged.length > 0;
  }

  /** Nobody watched, the data were replaced, or the assignment is another: earlier counters say nothing any more. */
  beginEpoch(epoch: string, at: number, generation = this.#counter.generation): void {
    this.#counter = { generation, epoch, n: 0 };
    this.#epochBeganAt = at;
    this.#lookedAt = at;
    this.#last = undefined;
    this.#marks = [];
    this.#reference = undefined;
  }

  /** A whole scan has ended that began at counter `began`, at the moment `at`. */
  scanned(began: ChangeCounter, scan: TreeScan, at: number): ScanOutcome {
    if (!equalCounters(began, this.#counter)) return 'moved';
    const reference = this.#reference;
    if (reference?.fingerprint === scan.fingerprint) {
      reference.n = this.#counter.n;
      this.#unchangedSince(reference.backups);
      this.#lookedAt = at;
      return 'same';
    }
    const missed = this.referenced;
    // What a scan finds can have happened at any time since the look before it.
    if (missed) this.raise(this.#lookedAt, 'scan');
    this.#lookedAt = at;
    if (scan.settled) this.#reference = { fingerprint: scan.fingerprint, n: this.#counter.n, backups: [] };
    return missed ? 'missed' : 'first-look';
  }

  /** A backup begins to read: at which counter, and whether quietly (otherwise it will never be enough: n has been raised). */
  beginBackup(at: number): { counter: ChangeCounter; quiet: boolean } {
    const { counter, referenced: quiet } = this;
    this.#unchangedSince([counter]);
    if (quiet && this.#reference) this.#reference.backups = added(this.#reference.backups, counter).slice(-SAME);
    else this.raise(at, 'backup-without-reference');
    return { counter, quiet };
  }

  report(now: { at: number; watched: boolean; running: boolean; scannedAt?: number }): ChangeReport {
    return {
      counter: this.counter,
      sameAs: (this.referenced ? (this.#reference?.backups ?? []) : [])
        .filter((backup) => !equalCounters(backup, this.#counter))
        .map((backup) => ({ ...backup })),
      firstChanges: this.#marks.flatMap(({ counter: { epoch, n }, changedAt }) =>
        changedAt === undefined ? [] : [{ epoch, n, at: changedAt }],
      ),
      epochBeganAt: this.#epochBeganAt,
      lastChangeAt: this.#last?.at,
      lastChangeSource: this.#last?.source,
      ...now,
    };
  }

  #unchangedSince(backups: ChangeCounter[]): void {
    const others = this.#marks.filter((mark) => !backups.some((backup) => equalCounters(backup, mark.counter)));
    this.#marks = [...others, ...backups.map((counter) => ({ counter }))].slice(-MARKS);
  }
}

/** A begun backup, and the first change after it. */
interface Mark {
  counter: ChangeCounter;
  changedAt?: number;
}

/** The last settled fingerprint, the n of this epoch at which the tree is known to have it, and the backups of that tree. */
interface Reference extends Remembered {
  n?: number;
}

function added(counters: ChangeCounter[], counter: ChangeCounter): ChangeCounter[] {
  return [...counters.filter((known) => !equalCounters(known, counter)), counter];
}
