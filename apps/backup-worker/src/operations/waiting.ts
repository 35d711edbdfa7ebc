import type { Budget, Cost } from '../queue/budget.js';
import type { Need } from '../queue/project-queue.js';
import type { Attempt } from './operation.js';

/** Works as soon as the host has room for it. The wait counts towards no limit, and a cancel ends it at once. */
export async function whenThereIsRoom<R>(
  attempt: Attempt,
  budget: Budget,
  cost: Cost,
  work: () => Promise<R>,
): Promise<R> {
  const goOn = attempt.wait();
  const begin = () => {
    goOn();
    attempt.signal.throwIfAborted();
    return work();
  };
  try {
    return await budget.spend(cost, begin, attempt.signal);
  } finally {
    goOn();
  }
}

/** Waits until nothing else of the project uses what the attempt needs too. */
export async function whenNobodyElseUses(attempt: Attempt, need: Need): Promise<void> {
  const goOn = attempt.wait();
  try {
    await attempt.turn.widen(need, attempt.signal);
  } finally {
    goOn();
  }
}

/** The work's result; or the signal's reason as soon as it aborts, for work that has no effect when it is left to itself. */
export async function unlessAborted<R>(signal: AbortSignal, work: Promise<R>): Promise<R> {
  const { promise, reject } = Promise.withResolvers<never>();
  const leave = () => reject(signal.reason as Error);
  if (signal.aborted) leave();
  signal.addEventListener('abort', leave, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}
