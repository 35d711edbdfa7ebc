import { skewInWords } from './clock-skew.js';

export type ObjectStorageErrorCode =
  | 'object-not-found'
  | 'bucket-not-found'
  | 'object-too-large'
  | 'object-range-invalid'
  | 'precondition-failed'
  | 'object-storage-refused'
  | 'clock-skewed'
  | 'object-storage-unreachable'
  | 'object-storage-failed';

/**
 * The base of all failures of object storage. It carries no request, response or credential: only what was asked for
 * and the storage's own short answer.
 */
export abstract class ObjectStorageError extends Error {
  abstract readonly code: ObjectStorageErrorCode;

  constructor(
    message: string,
    /** Bucket and key that were asked for, as `bucket/key`. */
    readonly object: string,
  ) {
    super(message);
    this.name = new.target.name;
  }
}

/** There is no object under the key. */
export class ObjectNotFound extends ObjectStorageError {
  readonly code = 'object-not-found';

  constructor(object: string) {
    super(`There is no object ${object} in the object storage.`, object);
  }
}

/** The bucket itself does not exist. */
export class BucketNotFound extends ObjectStorageError {
  readonly code = 'bucket-not-found';

  constructor(object: string) {
    super(`The bucket of ${object} does not exist. Create it, or correct the bucket's name and endpoint.`, object);
  }
}

/** The object is larger than the caller allows. */
export class ObjectTooLarge extends ObjectStorageError {
  readonly code = 'object-too-large';

  constructor(
    object: string,
    readonly maxBytes: number,
  ) {
    super(`${object} is larger than the ${maxBytes} bytes that are allowed here. Read it in ranges.`, object);
  }
}

/** A range that starts past the end of the object, or that the storage answered with other bytes. */
export class ObjectRangeInvalid extends ObjectStorageError {
  readonly code = 'object-range-invalid';

  constructor(object: string, detail: string) {
    super(`The storage has no such range of ${object}: ${detail}.`, object);
  }
}

/** A conditional request found the object in another state. */
export class PreconditionFailed extends ObjectStorageError {
  readonly code = 'precondition-failed';

  constructor(object: string) {
    super(`${object} is not in the state that the request asked for. Read it again and decide anew.`, object);
  }
}

/** The storage knows the caller but says no, or does not know it: wrong, expired or too narrow credentials. */
export class ObjectStorageRefused extends ObjectStorageError {
  readonly code = 'object-storage-refused';

  constructor(object: string, detail: string) {
    super(
      `The object storage refused access to ${object} (${detail}). Check the credentials, their expiry and their rights.`,
      object,
    );
  }
}

/** The storage refuses what this machine signs, as its clock differs too much from the storage's. */
export class ClockSkewed extends ObjectStorageError {
  readonly code = 'clock-skewed';

  constructor(
    object: string,
    /** How far this machine's clock is ahead, where the answer tells; negative: behind. */
    readonly skewMs: number | undefined,
  ) {
    const by = skewMs === undefined ? '' : ` It is ${skewInWords(skewMs)}.`;
    super(
      `The object storage refused access to ${object}, as this machine's clock is wrong. Set the clock.${by}`,
      object,
    );
  }
}

/** No answer, a broken answer, or a storage that says it cannot work now, after all retries. */
export class ObjectStorageUnreachable extends ObjectStorageError {
  readonly code = 'object-storage-unreachable';

  constructor(object: string, detail: string) {
    super(`The object storage did not serve ${object} (${detail}). Check that its endpoint is up, then retry.`, object);
  }
}

/** Any other answer; asking again will not help. */
export class ObjectStorageFailed extends ObjectStorageError {
  readonly code = 'object-storage-failed';

  constructor(object: string, detail: string) {
    super(`The object storage could not do what was asked of ${object}: ${detail}.`, object);
  }
}
