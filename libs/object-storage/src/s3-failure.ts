import { clockSkewOf, REFUSED_SKEW_MS } from './clock-skew.js';
import {
  BucketNotFound,
  ClockSkewed,
  ObjectNotFound,
  ObjectRangeInvalid,
  ObjectStorageError,
  ObjectStorageFailed,
  ObjectStorageRefused,
  ObjectStorageUnreachable,
  PreconditionFailed,
} from './object-storage-error.js';

/**
 * Turns whatever the S3 client threw into one of the product's errors. The original is left behind on purpose: it holds
 * the request with its signature.
 */
export function s3Failure(thrown: unknown, object: string): ObjectStorageError {
  if (thrown instanceof ObjectStorageError) return thrown;
  const { name, code, status } = anatomy(thrown);

  if (name === 'NoSuchBucket') return new BucketNotFound(object);
  if (status === 404) return new ObjectNotFound(object);
  if (status === 412) return new PreconditionFailed(object);
  if (status === 416) return new ObjectRangeInvalid(object, 'it starts past the end');
  const skewMs = refusedForTheClock(thrown);
  if (skewMs !== false) return new ClockSkewed(object, skewMs);
  if (status === 401 || status === 403 || REFUSALS.has(name))
    return new ObjectStorageRefused(object, SAYS_NOTHING.has(name) ? `it answered ${status}` : name);
  if (status === undefined || status >= 500 || status === 429 || isWriteConflict(thrown)) {
    return new ObjectStorageUnreachable(object, [status, code ?? name].filter(Boolean).join(' '));
  }
  return new ObjectStorageFailed(object, `${status} ${name}`);
}

/** A storage that is busy with another write of the same key: worth asking again. */
export function isWriteConflict(thrown: unknown): boolean {
  const { name, status } = anatomy(thrown);
  return status === 409 && name !== 'BucketAlreadyExists';
}

/** How often the request was sent, retries of the client included. */
export function attemptsOf(thrown: unknown): number {
  return (thrown as S3Thrown | undefined)?.$metadata?.attempts ?? 1;
}

interface S3Thrown {
  name?: string;
  code?: string;
  $metadata?: { httpStatusCode?: number; attempts?: number };
  $response?: { headers?: Record<string, string | undefined> };
}

/**
 * How far the clock is ahead, or undefined where the answer does not tell; false where it was refused for something else.
 * Once the client has seen that the two clocks differ, it signs again by the storage's: what is refused a second time is
 * refused for another reason.
 */
function refusedForTheClock(thrown: unknown): number | undefined | false {
  const { name, $metadata, $response } = (thrown ?? {}) as S3Thrown;
  const now = Date.now();
  const skewMs = clockSkewOf($response?.headers?.['date'], { sentAt: now, receivedAt: now });
  if (name === 'RequestTimeTooSkewed') return skewMs;
  const refusedOnce = $metadata?.httpStatusCode === 403 && attemptsOf(thrown) === 1;
  return refusedOnce && Math.abs(skewMs ?? 0) >= REFUSED_SKEW_MS ? skewMs : false;
}

function anatomy(thrown: unknown): { name: string; code: string | undefined; status: number | undefined } {
  const { name, code, $metadata } = (thrown ?? {}) as S3Thrown;
  return { name: name ?? 'Error', code, status: $metadata?.httpStatusCode };
}

/** What the client calls an answer that gives no reason, as those without a body do. */
const SAYS_NOTHING = new Set(['Unknown', 'UnknownError', 'Error']);

/** Refusals that some servers send with status 400. */
const REFUSALS = new Set([
  'ExpiredToken',
  'InvalidToken',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'AccessDenied',
]);
