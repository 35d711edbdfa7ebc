import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '@buckets/service';

/** Does a piece of work again and again until the signal; what fails is tried again at the next tick. */
export async function everyTick(
  work: (now: number) => Promise<unknown>,
  { tickMs, log, failed, signal }: { tickMs: number; log: Pick<Logger, 'warn'>; failed: string; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    try {
      await work(Date.now());
    } catch (error) {
      log.warn({ error }, failed);
    }
    await pause(tickMs, undefined, { signal }).catch(() => undefined);
  }
}
