import type { Outcome } from '@buckets/contracts';
import type { ProjectRow } from './rows.js';

/** Since when a repository may hold snapshots that are no backups: see {@link ProjectRow}. */
export type Orphans = Pick<ProjectRow, 'orphans_since' | 'orphans_until'>;

interface End {
  outcome: Outcome;
  /** Milliseconds since 1970. */
  at: number;
}

/** An attempt at a backup that came to nothing may have left a snapshot. */
export function orphansAfterBackup(orphans: Orphans, { outcome, at }: End): Orphans {
  const { orphans_since, orphans_until } = orphans;
  if (outcome === 'succeeded' || outcome === 'partial') return { orphans_since, orphans_until };
  return { orphans_since: orphans_since ?? at, orphans_until: at };
}

/**
 * A tidying that went well leaves none from before `tidiesBefore`. What came later is looked for in time from its own
 * end, and after a tidying in vain, in time from its end.
 */
export function orphansAfterTidying(orphans: Orphans, tidiesBefore: number | null, { outcome, at }: End): Orphans {
  const { orphans_since, orphans_until } = orphans;
  if (orphans_since === null || orphans_until === null || tidiesBefore === null)
    return { orphans_since, orphans_until };
  const wentWell = outcome === 'succeeded' || outcome === 'partial';
  if (wentWell && orphans_until <= tidiesBefore) return { orphans_since: null, orphans_until: null };
  if (wentWell && orphans_since <= tidiesBefore) return { orphans_since: orphans_until, orphans_until };
  return { orphans_since: at, orphans_until };
}

/** The moment before which a tidying removes orphans; null for one that only looks. */
export function tidiesBefore(requestedAt: number, params: Record<string, unknown>): number | null {
  const { remove, graceSeconds } = params;
  return remove === true && typeof graceSeconds === 'number' ? requestedAt - graceSeconds * 1000 : null;
}
