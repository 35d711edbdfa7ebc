import type { OnProgress } from '../rustic/index.js';
import type { Phase } from '@buckets/contracts';
import type { Attempt } from './operation.js';

/** Passes rustic's progress on as the operation's, with the rate of late. */
export function rusticProgress(attempt: Attempt): OnProgress {
  let last: { at: number; bytes: number } | undefined;
  let rate: number | undefined;
  let remaining: { phase: string; seconds: number } | undefined;
  return ({ phase, bytesDone, bytesTotal, filesTotal, secondsRemaining }) => {
    const now = performance.now();
    if (last !== undefined && bytesDone > last.bytes && now > last.at) {
      const latest = ((bytesDone - last.bytes) / (now - last.at)) * 1000;
      rate = rate === undefined ? latest : 0.7 * rate + 0.3 * latest;
    }
    last = { at: now, bytes: bytesDone };
    // rustic says 0 while it cannot know yet.
    const isKnown = secondsRemaining !== undefined && (secondsRemaining > 0 || bytesDone >= (bytesTotal ?? Infinity));
    const before = remaining?.phase === phase ? remaining.seconds : Infinity;
    remaining = isKnown ? { phase, seconds: Math.min(before, Math.round(secondsRemaining)) } : undefined;
    attempt.progress({
      phase: phase === 'pruning' ? 'finishing' : (phase satisfies Phase),
      bytesDone: Math.round(bytesDone),
      ...(bytesTotal === undefined ? {} : { bytesTotal: Math.round(bytesTotal) }),
      ...(filesTotal === undefined ? {} : { filesTotal }),
      ...(rate === undefined ? {} : { rate: Math.round(rate) }),
      ...(remaining === undefined ? {} : { secondsRemaining: remaining.seconds }),
    });
  };
}
