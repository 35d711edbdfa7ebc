import { setTimeout as delay } from 'node:timers/promises';

/** Something was not so in time. */
export class NotInTime extends Error {
  readonly code = 'not-in-time';
  constructor(what: string, withinMs: number, cause?: unknown) {
    super(`${what} did not come about within ${withinMs / 1000} s.`, { cause });
    this.name = 'NotInTime';
  }
}

export interface UntilOptions {
  /** What is waited for, for the error. */
  what?: string;
  /** Milliseconds; default 10,000. */
  withinMs?: number;
  signal?: AbortSignal;
}

/**
 * Looks every 50 ms until there is something to see, and returns it. A look that throws counts as nothing to see.
 *
 * @throws {NotInTime} with the last look's error as its cause
 */
export async function until<T>(
  look: () => T | Promise<T>,
  { what = 'what was waited for', withinMs = 10_000, signal }: UntilOptions = {},
): Promise<NonNullable<T>> {
  const deadline = performance.now() + withinMs;
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
    if (performance.now() > deadline) throw new NotInTime(what, withinMs, cause);
    await delay(50, undefined, { signal });
  }
}
