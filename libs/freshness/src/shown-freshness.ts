import type { FreshnessState } from '@buckets/contracts';

/** What was stated last of a project's freshness, as the log has it. */
export interface StatedFreshness {
  freshness: FreshnessState;
  reason: string;
  /** RFC 3339; only of what is stale. */
  staleSince?: string;
  /** Only of what is fresh. */
  coveredBy?: string;
  /** False of what is fresh as of a look: nobody watches it in between. */
  watched?: boolean;
}

/** For people. */
export const SCHEDULER_IS_SILENT = 'The scheduler is silent: nobody can say how it is now.';

/** How recently it was certain that what was stated holds. Moments, by the clock of `now`; absent: never. */
export interface Confirmed {
  /** All was stated then that the log said until then. */
  byLogAt?: number;
  /** All was stated then that the project's host had told until then. */
  byHostAt?: number;
  /** Something about this very project is not stated yet since then. */
  unstatedSince?: number;
  /** The looks on which the freshness of the host's unwatched projects rests have begun then or later. */
  lookedAt?: number;
  /** Why nobody is heard, where that is known: a sentence for people. */
  silence?: string;
}

export interface ShownFreshness extends StatedFreshness {
  /** Until then at least it was so, or it was stated to be. */
  confirmedAt?: number;
  /** Of what nobody watches: what is fresh was so then, at least. */
  asOf?: number;
}

/** That there is no backup, or that the host is silent, needs no word of the host. */
export function restsOnHost({ freshness }: Pick<StatedFreshness, 'freshness'>): boolean {
  return freshness === 'fresh' || freshness === 'stale';
}

/**
 * What may be shown of a project's freshness, and be relied on, at this moment. It is what was stated, or `unknown`: what
 * was stated grows old with the silence of whoever would have to say that it holds no more.
 *
 * @param now milliseconds, by any clock that runs evenly
 * @param limitMs how long ago it may have been confirmed
 */
export function shownFreshness(
  stated: StatedFreshness,
  confirmed: Confirmed,
  { now, limitMs }: { now: number; limitMs: number },
): ShownFreshness {
  const { byLogAt = NEVER, byHostAt = NEVER, unstatedSince = now, lookedAt = NEVER, silence } = confirmed;
  const at = Math.min(now, byLogAt, unstatedSince, restsOnHost(stated) ? byHostAt : now);
  const known = at === NEVER ? {} : { confirmedAt: at };
  if (now - at > limitMs) return { freshness: 'unknown', reason: whySilent(), ...known };
  if (stated.freshness !== 'fresh' || stated.watched !== false) return { ...stated, ...known };
  if (lookedAt === NEVER)
    return { freshness: 'unknown', reason: 'Nobody watches it, and no look at it is known.', ...known };
  return { ...stated, ...known, asOf: Math.min(at, lookedAt) };

  /** The scheduler's own silence is the reason where it makes the greater part of that age. */
  function whySilent(): string {
    if (now - byLogAt > limitMs || now - byLogAt >= byLogAt - at) {
      return silence ?? SCHEDULER_IS_SILENT;
    }
    return unstatedSince === at
      ? 'The scheduler could not state yet how it is now.'
      : 'Its host is silent, or not all that it tells has been heard yet.';
  }
}

const NEVER = Number.NEGATIVE_INFINITY;
