/** One moment in the life of a project's data. Counters of different epochs or generations never compare. */
export interface Counter {
  generation: number;
  epoch: string;
  n: number;
}

/** When the data first changed after the backup that began at (`epoch`, `n`); milliseconds since 1970, for people. */
export interface FirstChange {
  epoch: string;
  n: number;
  at: number;
}

/** What a worker knows of the changes of one project at one moment. All times are milliseconds since 1970. */
export interface ChangeReport {
  counter: Counter;
  /** Where earlier backups began whose content a scan has shown to equal the present one. */
  sameAs: Counter[];
  /** For up to 20 recent backups: the first change after each began. */
  firstChanges: FirstChange[];
  epochBeganAt: number;
  lastChangeAt?: number;
  /** What told of the last change: `watcher`, `scan`, `fs-api`, … */
  lastChangeSource?: string;
  /** Whether a watcher sees the project's folders. */
  watched: boolean;
  running: boolean;
  scannedAt?: number;
  at: number;
}

/**
 * Whether a backup that began at `backup` holds everything that is in the project according to `report`.
 * Exact equality only: "began at or after" would trust a counter that a rolled-back state folder has never seen.
 */
export function covers(backup: Counter, report: ChangeReport): boolean {
  return [report.counter, ...report.sameAs].some((known) => equalCounters(known, backup));
}

/**
 * Since when a project has had changes that this backup lacks; `undefined` if the backup covers it.
 * Of a backup that the present epoch never knew, nobody can say: then since the epoch began.
 */
export function staleSince(backup: Counter, report: ChangeReport): number | undefined {
  if (covers(backup, report)) return undefined;
  const known =
    backup.generation === report.counter.generation &&
    report.firstChanges.find(({ epoch, n }) => epoch === backup.epoch && n === backup.n);
  return known ? known.at : report.epochBeganAt;
}

export function equalCounters(one: Counter, other: Counter): boolean {
  return one.generation === other.generation && one.epoch === other.epoch && one.n === other.n;
}
