import type { DueMoment } from './due-moment.js';

/** The time limits of an operation that has not ended. Moments are milliseconds since 1970. */
export interface OpenOperation {
  id: string;
  /** An attempt was allowed to begin, so the time in the queue counts no more. */
  began: boolean;
  queueUntil: number;
  wholeUntil: number;
  cancelRequestedAt: number | null;
}

/** When an operation's time is up, and when a cancel has been left unanswered, the time for that aside. Pure. */
export function dueLimits(operation: OpenOperation): DueMoment[] {
  const { id, began, queueUntil, wholeUntil, cancelRequestedAt } = operation;
  const isWhole = began || wholeUntil < queueUntil;
  const key = `${id}/${isWhole ? 'whole' : 'queue'}`;
  const limit: DueMoment = { kind: 'limit', subject: id, key, dueAt: isWhole ? wholeUntil : queueUntil };
  if (cancelRequestedAt === null) return [limit];
  return [limit, { kind: 'cancel', subject: id, key: `${id}/cancel`, dueAt: cancelRequestedAt }];
}
