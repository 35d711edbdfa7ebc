import { Backoff } from '@buckets/patience';

/** What became of asking for work: `failed` may go well the next time as things stand, `refused` may not. */
export type Outcome = 'requested' | 'refused' | 'failed';

const MINUTE = 60_000;
export const LONGEST_PAUSE_MS = 6 * 60 * MINUTE;

/** Until the same work is asked for again. The tables show what was accepted within moments: then it is due no more. */
export const PAUSES: Readonly<Record<Outcome, Backoff>> = {
  requested: new Backoff({ firstMs: 2 * MINUTE, maxMs: 60 * MINUTE }),
  refused: new Backoff({ firstMs: 2 * MINUTE, maxMs: LONGEST_PAUSE_MS }),
  failed: new Backoff({ firstMs: 4_000, maxMs: 5 * MINUTE }),
};
