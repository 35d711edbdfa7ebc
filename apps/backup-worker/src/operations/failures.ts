import { Refused, Unanswered } from '@buckets/log';
import { ObjectStorageUnreachable } from '@buckets/object-storage';
import { ProjectNotTracked } from '../changes/index.js';
import { errorCode } from '../file-system/paths.js';
import {
  DataRootMissingError,
  ProjectUnreadableError,
  SwapNotConfirmedError,
  SwitchStuckError,
} from '../host-data/index.js';
import { RusticFailure, RusticStopped, type Failed, type Stopped } from '../rustic/index.js';
import { AttemptFailed, type Ending } from './operation.js';

/** What the system says of a shortage, wherever in the worker it comes up. */
const SHORTAGES: Record<string, { code: string; retry: boolean; message: string } | undefined> = {
  ENOSPC: { code: 'disk-full', retry: false, message: 'The disk of this host is full. Make room.' },
  EDQUOT: { code: 'disk-full', retry: false, message: 'The quota of this host is used up. Make room.' },
  ENOMEM: { code: 'out-of-memory', retry: true, message: 'There was too little memory. Run fewer jobs at once.' },
  EAGAIN: { code: 'out-of-memory', retry: true, message: 'The system had no room for another process.' },
};

/** What another attempt may find otherwise: the disk is there again, the project is looked after again. */
const MAY_PASS = [
  ObjectStorageUnreachable,
  Unanswered,
  DataRootMissingError,
  ProjectUnreadableError,
  ProjectNotTracked,
];

const WOULD_NOT_END =
  'A process of rustic would not end, even when killed; the host goes on trying to end it, every ten minutes.';

/** Whatever an attempt threw, as its failure: a class, and whether another attempt may do better. */
export function asFailure(error: unknown): AttemptFailed {
  if (error instanceof AttemptFailed) return error;
  if (error instanceof SuppressedError) return withLeft(asFailure(error.suppressed), leftOf(asFailure(error.error)));
  if (error instanceof RusticFailure) return failureOf({ outcome: 'failed', ...error.failure });
  if (error instanceof RusticStopped) return failureOf({ outcome: error.code });
  if (error instanceof Refused) return new AttemptFailed(error.code, error.message, { retry: error.refusal.retry });
  if (error instanceof SwitchStuckError) {
    return new AttemptFailed(error.code, error.message, { retry: false, cause: error, halfDone: true });
  }
  if (error instanceof SwapNotConfirmedError) {
    const retry = !(error.cause instanceof Refused) || error.cause.refusal.retry;
    return new AttemptFailed(error.code, error.message, { retry, cause: error });
  }
  const shortage = causes(error)
    .map((cause) => SHORTAGES[errorCode(cause) ?? ''])
    .find((found) => found !== undefined);
  if (shortage !== undefined) {
    return new AttemptFailed(shortage.code, shortage.message, { retry: shortage.retry, cause: error });
  }
  const code = errorCode(error) ?? '';
  return new AttemptFailed(
    /^[a-z][a-z-]{0,62}$/.test(code) ? code : 'host-error',
    error instanceof Error ? error.message : 'The host could not carry it out; its log has the details.',
    { retry: MAY_PASS.some((kind) => error instanceof kind), cause: error },
  );
}

/** The failure of an attempt whose rustic failed, or was ended. */
export function failureOf(outcome: Failed | Stopped): AttemptFailed {
  if (outcome.outcome === 'failed') {
    return new AttemptFailed(outcome.class, outcome.reason, { retry: outcome.canPass });
  }
  const code = outcome.outcome === 'timed-out' ? 'attempt-limit' : outcome.outcome;
  const ending = outcome.leftBehind === undefined ? {} : { ending: { left: [WOULD_NOT_END] } };
  return new AttemptFailed(code, `rustic was ended: ${code}.`, { retry: code !== 'cancelled', ...ending });
}

function leftOf(failure: AttemptFailed): string[] {
  return failure.options.ending?.left ?? [];
}

/** The same failure, with what is so all the same. */
export function withFacts(failure: AttemptFailed, facts: Partial<Ending>): AttemptFailed {
  const ending = joined(facts, failure.options.ending ?? {});
  return new AttemptFailed(failure.code, failure.message, { ...failure.options, ending });
}

/** What both say; where they differ, what the second one says. */
export function joined<E extends Partial<Ending>>(first: Partial<Ending>, second: E): Partial<Ending> & E {
  const result = { ...first.result, ...second.result };
  const left = [...new Set([...(first.left ?? []), ...(second.left ?? [])])];
  return {
    ...first,
    ...second,
    ...(Object.keys(result).length > 0 && { result }),
    ...(left.length > 0 && { left }),
  };
}

/** The same failure with more to tell of what it left behind. */
export function withLeft(failure: AttemptFailed, left: readonly string[]): AttemptFailed {
  if (left.length === 0) return failure;
  const ending = { ...failure.options.ending, left: [...leftOf(failure), ...left] };
  return new AttemptFailed(failure.code, failure.message, { ...failure.options, ending });
}

function causes(error: unknown): unknown[] {
  const found: unknown[] = [];
  for (let cause = error; cause instanceof Error && found.length < 10; cause = cause.cause) found.push(cause);
  return found;
}
