import { isEnded, type ExpiryCode } from '@buckets/contracts';
import { TOO_MANY_ATTEMPTS } from '../project-decisions/attempt.js';
import { IMPOSSIBLE_CLAIM } from '../project-decisions/end-operation.js';
import type { OperationRow } from '../tables/entities.js';

/**
 * What has become of an operation by the log: nothing that it knows of; not ended; given up by the control plane, so that
 * its host may have done all of it; or ended, as its host said.
 */
export type OperationKnown = 'unknown' | 'open' | 'given-up' | 'ended';

const CANCEL_UNANSWERED: ExpiryCode = 'cancel-unanswered';
/** Those of ends that are no word of a host, beside `expired`. */
const NO_HOSTS_WORD: readonly (string | null)[] = [CANCEL_UNANSWERED, TOO_MANY_ATTEMPTS, IMPOSSIBLE_CLAIM];

/**
 * What the log knows of the end of an operation. Only of one that a host began with, and whose end it told, it is known
 * what it made. An older log that was put back knows no end of what was under way then, until the control plane gives it up;
 * and a host that dies before it can tell, or claims what cannot be, may have made a good backup all the same.
 */
export function operationKnown({
  state,
  code,
  attempts,
}: Pick<OperationRow, 'state' | 'code' | 'attempts'>): OperationKnown {
  if (!isEnded(state)) return 'open';
  const isHostsWord = attempts > 0 && state !== 'expired' && !NO_HOSTS_WORD.includes(code);
  return isHostsWord ? 'ended' : 'given-up';
}

/** The columns that {@link operationKnown} goes by. */
export const TELLING_OF_END = { id: true, state: true, code: true, attempts: true } as const;
