import { setTimeout as pause } from 'node:timers/promises';

/**
 * Waits before another try: `firstMs` after the first failure, twice as long after each further one up to `maxMs`,
 * between half and all of it by chance. Ends early, and quietly, when the signal aborts.
 */
export async function retryPause(
  failures: number,
  { firstMs, maxMs, signal }: { firstMs: number; maxMs: number; signal?: AbortSignal },
): Promise<void> {
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 20));
  await quietPause(full / 2 + (full / 2) * Math.random(), signal);
}

/** A pause that an abort just ends. */
export async function quietPause(ms: number, signal?: AbortSignal): Promise<void> {
  await pause(ms, undefined, signal === undefined ? {} : { signal }).catch((error: unknown) => {
    if (signal?.aborted !== true) throw error;
  });
}
