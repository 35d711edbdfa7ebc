import type { Call } from '../rustic/index.js';
import type { Attempt } from './operation.js';
import { rusticProgress } from './rustic-progress.js';

/** How an attempt runs rustic: within its limits, told of its progress, ended when it is. */
export function rusticCall(attempt: Attempt, signal: AbortSignal = attempt.signal): Call {
  const { stallMs, attemptMs } = attempt.limits;
  return {
    stallMs,
    deadlineMs: attemptMs,
    signal,
    onSign: attempt.alive,
    onProgress: rusticProgress(attempt),
  };
}
