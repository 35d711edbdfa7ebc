import { DEFAULT_LIMITS, type ExpiryCode, type NewEvent, type OperationLimits } from '@buckets/contracts';
import { Rejection } from '../problems/rejection.js';
import { openOperation, type OpenOperation, type ProjectState } from '../state/project-state.js';
import { cancelIntent } from './cancel-operation.js';
import { existing, facts, NOTHING, type Verdict } from './verdict.js';

export interface Expiry {
  operationId: string;
  code: ExpiryCode;
  /** What whoever watches the limit knows beyond it: a sentence for people. */
  detail?: string;
  at: string;
  /** As the operation was asked for with; null of one that names none. */
  limits: OperationLimits | null;
}

/**
 * Ends an operation whose time is up, whatever its host does. Nothing follows when it has ended, or when what the limit
 * was about has come since. Where an attempt had begun, its host is told to stop.
 *
 * @throws {Rejection} `time-not-up` where it is not by the clock that says `at`: one clock that is wrong ends no work
 */
export function expireOperation(state: ProjectState | null, projectId: string, expiry: Expiry): Verdict {
  const { operationId, code, detail, at } = expiry;
  const open = openOperation(existing(state, projectId), operationId);
  if (open === undefined || !APPLIES[code](open)) return NOTHING;
  const isUpAfter = SECONDS[code]?.(expiry.limits ?? DEFAULT_LIMITS[open.kind]);
  if (isUpAfter !== undefined && Date.parse(at) < Date.parse(open.requestedAt) + isUpAfter * 1000) throw notUp();
  const began = open.attempts > 0;
  const outcome = code === 'cancel-unanswered' ? 'cancelled' : 'expired';
  const [before, after] = REASONS[code];
  const reason = [before, ...(detail === undefined ? [] : [detail]), after].join(' ');
  const data = { operationId, ...(began ? { attempt: open.attempts } : {}), code, reason };
  const ended = { thing: 'project', type: `${open.kind}-${outcome}`, data } as NewEvent<'project'>;
  if (!began) return facts(ended);
  return { events: [ended], intents: [cancelIntent(projectId, operationId, open, at)] };
}

const APPLIES: Record<ExpiryCode, (open: OpenOperation) => boolean> = {
  'queue-limit': ({ attempts }) => attempts === 0,
  'whole-limit': () => true,
  'cancel-unanswered': ({ cancelRequestedAt }) => cancelRequestedAt !== undefined,
};

/** From its request on. How long a cancel may be left unanswered, whoever watches knows. */
const SECONDS: Partial<Record<ExpiryCode, (limits: OperationLimits) => number>> = {
  'queue-limit': ({ queueSeconds }) => queueSeconds,
  'whole-limit': ({ wholeSeconds }) => wholeSeconds,
};

function notUp(): Rejection {
  const detail =
    'The time of the operation is not up by the clock of the control plane: one of the two clocks is wrong.';
  return new Rejection('time-not-up', detail, 503);
}

/** What happened, and what to do next. */
const REASONS: Record<ExpiryCode, readonly [string, string]> = {
  'queue-limit': [
    'Its host did not begin with it within the time that it may wait.',
    'Look after the host, and ask for it again.',
  ],
  'whole-limit': [
    'It did not end within the time that it may take.',
    'Its host stops what it still does for it as soon as it hears of this. Ask for it again, with a longer limit if it needs one.',
  ],
  'cancel-unanswered': [
    'It was cancelled, and its host did not confirm that it has stopped.',
    'The host stops as soon as it hears of this; until then it may still be at work.',
  ],
};
