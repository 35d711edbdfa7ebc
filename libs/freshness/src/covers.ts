import type { ChangeCounter, ChangeReport } from '@buckets/contracts';

/**
 * Whether a backup that began at this counter holds what the project held when the report was made.
 *
 * Counters must be equal, in generation, epoch and n. A backup with a greater n than the report began after the
 * report was made: what happened since is not known yet, and the worker's next report will tell.
 */
export function covers(backup: ChangeCounter, report: Pick<ChangeReport, 'counter' | 'sameAs'>): boolean {
  return [report.counter, ...report.sameAs].some((known) => equalCounters(known, backup));
}

/** Counters of different epochs or generations never compare. */
export function equalCounters(one: ChangeCounter, other: ChangeCounter): boolean {
  return one.generation === other.generation && one.epoch === other.epoch && one.n === other.n;
}
