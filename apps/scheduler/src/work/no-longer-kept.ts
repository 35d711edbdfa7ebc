import {
  isRestorable,
  newestFirst,
  storedRetention,
  type PartialReason,
  type Placed,
  type Retention,
} from '@buckets/contracts';

export interface KeptBackup extends Placed {
  id: string;
  /** When it was allowed to begin, as the log says; milliseconds since 1970. No host's clock. */
  beganAt: number;
  /** As things stand: what was accepted is wrong no more. */
  partialBecause: readonly PartialReason[];
  /** A deletion may have removed it: it takes nobody's place, and stays until it has been looked for. */
  inDoubt: boolean;
  /** Something of it is lost. */
  damaged: boolean;
  /** Whether it is one of the newest so many of its sort that are kept as such, where not all of these are at hand. */
  isLast?: boolean;
}

/**
 * The backups that a retention keeps no longer, the oldest first. Pure.
 *
 * Those that are suddenly empty or shrunken, and those that are damaged, count apart from the others, so that however
 * many of them there are, no good one has to go for them; and of each sort the newest is kept, whatever the retention says.
 */
export function noLongerKept(backups: readonly KeptBackup[], retention: Retention): string[] {
  if (storedRetention(retention) === null) return [];
  const certain = newestFirst(backups.filter(({ inDoubt }) => !inDoubt));
  const sorts = Map.groupBy(certain, ({ partialBecause, damaged }) =>
    damaged ? 'damaged' : isRestorable(partialBecause) ? 'good' : 'flagged',
  );
  const kept = new Set([...sorts.values()].flatMap((sort) => keptOf(sort, retention)));
  return certain
    .filter((backup) => !kept.has(backup))
    .map(({ id }) => id)
    .reverse();
}

function keptOf(sort: readonly KeptBackup[], retention: Retention): KeptBackup[] {
  const ofPeriods = PERIODS.flatMap(([name, period]) => {
    const byPeriod = Map.groupBy(sort, period);
    return [...byPeriod.values()].slice(0, retention[name] ?? 0).map((sameOnes) => sameOnes[0]!);
  });
  const last = sort.filter(({ isLast }, index) => isLast ?? index < (retention.last ?? 0));
  return [...sort.slice(0, 1), ...last, ...ofPeriods];
}

const DAY_MS = 24 * 60 * 60_000;
const day = ({ beganAt }: KeptBackup): number => Math.floor(beganAt / DAY_MS);

/** In UTC; a week begins on Monday, and the first day of 1970 was a Thursday. */
const PERIODS: readonly [keyof Retention, (backup: KeptBackup) => string | number][] = [
  ['daily', day],
  ['weekly', (backup) => Math.floor((day(backup) + 3) / 7)],
  ['monthly', ({ beganAt }) => new Date(beganAt).toISOString().slice(0, 7)],
];
