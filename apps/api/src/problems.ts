import { LogRefused, LogUnreachable, ProjectionBehind } from '@buckets/log';
import { ObjectStorageError } from '@buckets/object-storage';
import { DependencyUnavailable, Problem } from '@buckets/service';
import { VaultError } from '@buckets/vault';

/** What the errors of the API's own libraries are to a caller. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof LogUnreachable) return new DependencyUnavailable('nats', { cause: error });
  if (error instanceof LogRefused || error instanceof ProjectionBehind) {
    return new Problem({ code: error.code, status: 503, detail: error.message, retryAfterSeconds: 5, cause: error });
  }
  if (error instanceof ObjectStorageError) return new DependencyUnavailable('s3', { cause: error });
  if (error instanceof VaultError) {
    return new Problem({ code: error.code, status: 503, detail: error.message, retryAfterSeconds: 30, cause: error });
  }
  return undefined;
}
