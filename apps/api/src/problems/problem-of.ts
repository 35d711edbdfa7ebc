import { MessageTooLarge, UnstorableText as UnstorableMessage } from '@buckets/contracts';
import { isStreamMissing, LogMismatch, LogRefused, LogUnreachable, ProjectionBehind } from '@buckets/log';
import { ObjectStorageError } from '@buckets/object-storage';
import { DependencyUnavailable, Problem, UnstorableText } from '@buckets/service';
import { VaultError } from '@buckets/vault';
import { QueryFailedError } from 'typeorm';

/** What the errors of the API's own libraries are to a caller. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof LogUnreachable) return new DependencyUnavailable('nats', { cause: error });
  if (error instanceof LogRefused || error instanceof LogMismatch || error instanceof ProjectionBehind) {
    return new Problem({ code: error.code, status: 503, detail: error.message, retryAfterSeconds: 5, cause: error });
  }
  if (isStreamMissing(error)) {
    return new Problem({
      code: 'stream-missing',
      status: 503,
      detail: STREAM_MISSING,
      retryAfterSeconds: 30,
      cause: error,
    });
  }
  if (error instanceof UnstorableMessage || isTextThatPostgresRefuses(error))
    return new UnstorableText({ cause: error });
  if (error instanceof MessageTooLarge) {
    return new Problem({ code: error.code, status: 413, detail: error.message, cause: error });
  }
  if (isUnanswered(error)) return new DependencyUnavailable('postgres', { cause: error });
  if (error instanceof ObjectStorageError) return new DependencyUnavailable('s3', { cause: error });
  if (error instanceof VaultError) {
    return new Problem({ code: error.code, status: 503, detail: error.message, retryAfterSeconds: 30, cause: error });
  }
  return undefined;
}

const STREAM_MISSING = 'NATS lacks a stream. /health/ready says which part of the API is down, and what to do.';

/** SQLSTATE 22021 for bytes, 22P05 for escapes in JSON. */
function isTextThatPostgresRefuses(error: unknown): boolean {
  return error instanceof QueryFailedError && ['22021', '22P05'].includes(sqlStateOf(error as QueryFailedError<Error>));
}

/** Postgres hangs, or took too long over a statement, or over the lock of another one. */
function isUnanswered(error: unknown): boolean {
  if (!(error instanceof QueryFailedError)) return false;
  return (
    error.message === 'Query read timeout' ||
    ['57014', '55P03', '25P03'].includes(sqlStateOf(error as QueryFailedError<Error>))
  );
}

function sqlStateOf({ driverError }: QueryFailedError<Error & { code?: string }>): string {
  return driverError.code ?? '';
}
