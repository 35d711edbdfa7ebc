import { setTimeout as delay } from 'node:timers/promises';
import { patient } from './patience.js';

/** Something was not so in time. */
export class NotInTime extends Error {
  readonly code = 'not-in-time';
  constructor(
    what: string,
    /** Milliseconds, the machine's patience included. */
    readonly withinMs: number,
    cause?: unknown,
  ) {
    super(`${what} did not come about within ${withinMs / 1000} s.`, { cause });
    this.name = 'NotInTime';
  }
}

export interface UntilOptions {
  /** What is waited for, for the error. */
  what?: string;
  /** Milliseconds on an idle machine, default 10,000; the machine's patience multiplies them. */
  withinMs?: number;
  /** Milliseconds between two looks; default 50. */
  everyMs?: number;
  signal?: AbortSignal;
}

/**
 * Looks again and again until there is something to see, and returns it. A look that throws counts as nothing to see.
 *
 * @throws {NotInTime} with the last look's error as its cause
 */
export async function until<T>(
  look: () => T | Promise<T>,
  { what = 'what was waited for', withinMs = 10_000, everyMs = 50, signal }: UntilOptions = {},
): Promise<NonNullable<T>> {
  const limitMs = patient(withinMs);
  const deadline = performance.now() + limitMs;
  let cause: unknown;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const seen = await look();
      if (seen) return seen;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadline) throw new NotInTime(what, limitMs, cause);
    await delay(everyMs, undefined, { signal });
  }
}
