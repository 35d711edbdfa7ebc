import { isRestorable, type PartialReason, type Retention } from '@buckets/contracts';

export interface KeptBackup {
  id: string;
  /** Of the assignment that made it: clocks compare on one host only. */
  generation: number;
  /** Milliseconds since 1970. */
  beganAt: number;
  partialBecause: readonly PartialReason[];
}

/**
 * The backups that a retention keeps no longer, the oldest first. Pure.
 *
 * Those that are suddenly empty or shrunken count apart from the others, so that however many of them there are, no
 * good one has to go for them; and of either sort the newest is kept, whatever the retention says.
 */
export function noLongerKept(backups: readonly KeptBackup[], retention: Retention): string[] {
  if (PERIODS.every(([name]) => retention[name] === undefined)) return [];
  const newestFirst = backups.toSorted((a, b) => b.generation - a.generation || b.beganAt - a.beganAt);
  const sorts = Map.groupBy(newestFirst, ({ partialBecause }) => isRestorable(partialBecause));
  const kept = new Set([...sorts.values()].flatMap((sort) => keptOf(sort, retention)));
  return newestFirst
    .filter((backup) => !kept.has(backup))
    .map(({ id }) => id)
    .reverse();
}

function keptOf(newestFirst: readonly KeptBackup[], retention: Retention): KeptBackup[] {
  const ofPeriods = PERIODS.flatMap(([name, period]) => {
    const byPeriod = Map.groupBy(newestFirst, period);
    return [...byPeriod.values()].slice(0, retention[name] ?? 0).map((sameOnes) => sameOnes[0]!);
  });
  return [...newestFirst.slice(0, 1), ...ofPeriods];
}

const DAY_MS = 24 * 60 * 60_000;
const day = ({ beganAt }: KeptBackup): number => Math.floor(beganAt / DAY_MS);

/** In UTC; a week begins on Monday, and the first day of 1970 was a Thursday. */
const PERIODS: readonly [keyof Retention, (backup: KeptBackup) => string | number][] = [
  ['last', ({ id }) => id],
  ['daily', day],
  ['weekly', (backup) => Math.floor((day(backup) + 3) / 7)],
  ['monthly', ({ beganAt }) => new Date(beganAt).toISOString().slice(0, 7)],
];
