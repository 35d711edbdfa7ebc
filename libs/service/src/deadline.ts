import { setTimeout as sleep } from 'node:timers/promises';

/** Something did not end within the time that it had. Tells what, so that a reader knows where to look. */
export class DeadlineExceeded extends Error {
  readonly code = 'deadline-exceeded';

  constructor(
    readonly what: string,
    readonly deadlineMs: number,
  ) {
    super(`${what} took longer than ${deadlineMs} ms`);
    this.name = 'DeadlineExceeded';
  }
}

/**
 * The outcome of the work, or `DeadlineExceeded` after `deadlineMs` milliseconds.
 * Work given as a function gets a signal that aborts then, and should stop; a promise just goes on unheard.
 */
export async function withDeadline<T>(
  work: Promise<T> | ((signal: AbortSignal) => Promise<T>),
  deadlineMs: number,
  what: string,
): Promise<T> {
  const abort = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new DeadlineExceeded(what, deadlineMs);
      reject(error);
      abort.abort(error);
    }, deadlineMs);
  });
  try {
    return await Promise.race([typeof work === 'function' ? work(abort.signal) : work, expiry]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Asks again and again until the condition gives something truthy, and returns that.
 * Throws `DeadlineExceeded` after `deadlineMs`, the signal's reason when it aborts, and whatever the condition throws.
 */
export async function waitUntil<T>(
  condition: (signal: AbortSignal) => T | Promise<T>,
  options: {
    readonly deadlineMs: number;
    readonly what?: string;
    readonly everyMs?: number;
    readonly signal?: AbortSignal;
  },
): Promise<NonNullable<T>> {
  const { deadlineMs, what = 'Waiting for a condition', everyMs = 50, signal: outer } = options;
  return await withDeadline(
    async (expired) => {
      const signal = outer === undefined ? expired : AbortSignal.any([outer, expired]);
      for (;;) {
        signal.throwIfAborted();
        const value = await condition(signal);
        if (value) return value;
        await sleep(everyMs, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    },
    deadlineMs,
    what,
  );
}
