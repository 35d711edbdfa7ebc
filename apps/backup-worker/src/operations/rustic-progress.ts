import type { OnProgress } from '../rustic/index.js';
import type { Phase } from '@buckets/contracts';
import type { Attempt } from './operation.js';

/** Passes rustic's progress on as the operation's, with the rate of late. */
export function rusticProgress(attempt: Attempt): OnProgress {
  let last: { at: number; bytes: number } | undefined;
  let rate: number | undefined;
  let least: { phase: string; seconds: number } | undefined;
  return ({ phase, bytesDone, bytesTotal, filesTotal, secondsRemaining }) => {
    const now = performance.now();
    if (last !== undefined && bytesDone > last.bytes && now > last.at) {
      const latest = ((bytesDone - last.bytes) / (now - last.at)) * 1000;
      rate = rate === undefined ? latest : 0.7 * rate + 0.3 * latest;
    }
    last = { at: now, bytes: bytesDone };
    const isDone = bytesTotal !== undefined && bytesDone >= bytesTotal;
    // rustic says 0 while it cannot know yet.
    const isKnown = secondsRemaining !== undefined && (secondsRemaining > 0 || isDone);
    if (isKnown) {
      const before = least?.phase === phase ? least.seconds : Infinity;
      least = { phase, seconds: Math.min(before, isDone ? 0 : Math.max(1, Math.round(secondsRemaining))) };
    }
    attempt.progress({
      phase: phase === 'pruning' ? 'finishing' : (phase satisfies Phase),
      bytesDone: Math.round(bytesDone),
      ...(bytesTotal === undefined ? {} : { bytesTotal: Math.round(bytesTotal) }),
      ...(filesTotal === undefined ? {} : { filesTotal }),
      ...(rate === undefined ? {} : { rate: Math.round(rate) }),
      ...(isKnown && least !== undefined ? { secondsRemaining: least.seconds } : {}),
    });
  };
}
