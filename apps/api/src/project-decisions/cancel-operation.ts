import type { NewEvent, NewIntent } from '@buckets/contracts';
import { Rejection } from '../problems/rejection.js';
import { openOperation, type OpenOperation, type ProjectState } from '../state/project-state.js';
import type { Requester } from './request-operation.js';
import { existing, facts, NOTHING, type Verdict } from './verdict.js';

export interface Cancellation {
  operationId: string;
  at: string;
  by: Requester;
}

/**
 * Somebody wants an operation to end. What has not begun ends at once. How an attempt that has begun ends is its host's
 * to say: the host is told, and asking again changes nothing.
 *
 * @throws {Rejection} `operation-ended`
 */
export function cancelOperation(state: ProjectState | null, projectId: string, cancel: Cancellation): Verdict {
  const { operationId, at, by } = cancel;
  const open = openOperation(existing(state, projectId), operationId);
  if (open === undefined) throw new Rejection('operation-ended', 'The operation has ended already.', 409);
  if (open.cancelRequestedAt !== undefined) return NOTHING;
  const { requestedBy, requestHash } = by;
  const data = { operationId, requestedBy, ...(requestHash === undefined ? {} : { requestHash }) };
  const asked = { thing: 'project', type: `${open.kind}-cancel-requested`, data } as NewEvent<'project'>;
  if (open.attempts > 0) return { events: [asked], intents: [cancelIntent(projectId, operationId, open, at)] };
  const about = { operationId, reason: 'It was cancelled before its host began with it. Nothing was done.' };
  return facts(asked, { thing: 'project', type: `${open.kind}-cancelled`, data: about } as NewEvent<'project'>);
}

/** Has the host of an operation end whatever it does for it. */
export function cancelIntent(
  projectId: string,
  operationId: string,
  { hostId, generation }: OpenOperation,
  at: string,
): NewIntent {
  return { kind: 'cancel', hostId, projectId, data: { operationId, generation, requestedAt: at } };
}
