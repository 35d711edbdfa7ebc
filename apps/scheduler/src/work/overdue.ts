import type { Commands, ExpiryCode } from '@buckets/contracts';

/** What the log says of an operation that has not ended. Moments are milliseconds since 1970. */
export interface LimitedOperation {
  id: string;
  projectId: string;
  hostId: string;
  /** An attempt was allowed to begin, so the time in the queue counts no more. */
  began: boolean;
  queueUntil: number;
  wholeUntil: number;
  cancelRequestedAt: number | null;
}

export type OverdueOperation = Commands['expire-operation']['command'];

/** What is known of the hosts. */
export interface HostsHeard {
  /** Since when nothing was heard of a host; null for one that is heard. */
  silentSince: (hostId: string) => number | null;
}

/**
 * What is to be asked of an operation whose time is up, with the limit that it reached first: an outcome does not depend
 * on how late this is asked. Null while its time is not up. Pure.
 */
export function overdue(
  now: number,
  operation: LimitedOperation,
  { hosts, cancelLimitMs }: { hosts: HostsHeard; cancelLimitMs: number },
): OverdueOperation | null {
  const { until, code } = firstLimit(operation, cancelLimitMs);
  if (now < until) return null;
  const { id: operationId, projectId, hostId } = operation;
  const silentSince = hosts.silentSince(hostId);
  if (silentSince === null) return { projectId, operationId, code };
  const since = new Date(silentSince).toISOString();
  return { projectId, operationId, code, detail: `Nothing has been heard of the host ${hostId} since ${since}.` };
}

interface Limit {
  until: number;
  code: ExpiryCode;
}

function firstLimit(operation: LimitedOperation, cancelLimitMs: number): Limit {
  const { began, queueUntil, wholeUntil, cancelRequestedAt } = operation;
  const limits: Limit[] = [{ until: wholeUntil, code: 'whole-limit' }];
  if (!began) limits.unshift({ until: queueUntil, code: 'queue-limit' });
  if (cancelRequestedAt !== null)
    limits.unshift({ until: cancelRequestedAt + cancelLimitMs, code: 'cancel-unanswered' });
  return limits.reduce((first, limit) => (limit.until < first.until ? limit : first));
}
