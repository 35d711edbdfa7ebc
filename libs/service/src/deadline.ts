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
