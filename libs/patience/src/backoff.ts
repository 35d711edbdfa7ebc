import { quietPause } from './quiet-pause.js';

/**
 * How long to wait before an attempt is made again: twice as long each time up to a limit, and
 * between half and all of that by chance, so that many who failed together do not come back together.
 */
export class Backoff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  readonly #random: () => number;

  /** `random` gives numbers from 0 to just below 1. */
  constructor({ firstMs, maxMs, random = Math.random }: { firstMs: number; maxMs: number; random?: () => number }) {
    if (!(firstMs > 0 && maxMs >= firstMs)) throw new RangeError('A back-off needs 0 < firstMs <= maxMs');
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
    this.#random = random;
  }

  /** Milliseconds to wait after the given number of failed attempts (1 or more). */
  delayMs(failedAttempts: number): number {
    const full = Math.min(this.#maxMs, this.#firstMs * 2 ** (Math.max(1, failedAttempts) - 1));
    return Math.round(full / 2 + (full / 2) * this.#random());
  }

  /** Waits that long. Ends early, and quietly, when the signal aborts. */
  async pause(failedAttempts: number, signal?: AbortSignal): Promise<void> {
    await quietPause(this.delayMs(failedAttempts), signal);
  }
}
