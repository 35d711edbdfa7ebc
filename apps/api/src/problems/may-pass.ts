import { toProblem } from '@buckets/service';
import { QueryFailedError } from 'typeorm';
import { problemOf } from './problem-of.js';

/** SQLSTATE classes that tell of the data: data exception, constraint, program limit. */
const OF_THE_DATA = /^(22|23|54)/;

/**
 * Whether a failure may be that of a part which is away, full, or busy, so that the same may succeed later. What is not known
 * for certain to be the fault of what was to be done may pass.
 */
export function mayPass(error: unknown): boolean {
  const problem = toProblem(error, problemOf);
  if (problem !== undefined) return statusMayPass(problem.status);
  if (error instanceof QueryFailedError) {
    return !OF_THE_DATA.test((error as QueryFailedError<Error & { code?: string }>).driverError.code ?? '');
  }
  const isOfTheCode = error instanceof RangeError || error instanceof TypeError || error instanceof SyntaxError;
  // That of a fetch names what was not reached.
  return !isOfTheCode || error.cause !== undefined;
}

/** Whether an answer of this status is for now only: something is away, or too much is asked for at once. */
export function statusMayPass(status: number): boolean {
  return status >= 500 || status === 429;
}
