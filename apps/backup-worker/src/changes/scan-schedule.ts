import type { ScanOutcome } from './change-ledger.js';

/** The next scan after trouble with the watcher, or (doubled each time) after one that was disturbed. */
const SCAN_SOON_MS = 5_000;

/**
 * When a project is looked through though nobody waits for it: pure. Moments are milliseconds of a clock that nobody sets.
 */
export class ScanSchedule {
  #nextAt: number;
  /** Scans in a row that said nothing because the project changed meanwhile. */
  #disturbed = 0;

  constructor(now: number) {
    this.#nextAt = now;
  }

  get nextAt(): number {
    return this.#nextAt;
  }

  /** What was known of the project says nothing any more. */
  atOnce(now: number): void {
    this.#nextAt = now;
  }

  /** A change may have gone unnoticed. */
  soon(now: number): void {
    this.#nextAt = Math.min(this.#nextAt, now + SCAN_SOON_MS);
  }

  /**
   * A scan has ended.
   *
   * @param outcome nothing where it could not be done
   * @param chance from 0 to 1: give or take a tenth, so that many projects do not come due together
   */
  ended(
    outcome: ScanOutcome | undefined,
    { now, everyMs, chance }: { now: number; everyMs: number; chance: number },
  ): void {
    this.#disturbed = outcome === 'moved' ? this.#disturbed + 1 : 0;
    const soonMs = outcome === 'moved' ? SCAN_SOON_MS * 2 ** this.#disturbed : Infinity;
    this.#nextAt = now + Math.min(everyMs * (0.9 + 0.2 * chance), soonMs);
  }
}

/** Of the projects that are due the one that has been for the longest time. */
export function longestOverdue<P extends { readonly schedule: ScanSchedule }>(
  projects: Iterable<P>,
  now: number,
): P | undefined {
  let longest: P | undefined;
  for (const project of projects) {
    const { nextAt } = project.schedule;
    if (nextAt <= now && !(longest && longest.schedule.nextAt <= nextAt)) longest = project;
  }
  return longest;
}
