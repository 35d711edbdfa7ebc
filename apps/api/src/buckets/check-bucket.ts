import type { BucketAccess } from '@buckets/contracts';
import { ObjectStorageError, S3ObjectStore } from '@buckets/object-storage';
import { Rejection } from '../problems/rejection.js';

/**
 * Tries a bucket and its credentials, and has a look at what it holds.
 *
 * @throws {Rejection} saying what is wrong with the bucket or its credentials; what `look` throws
 */
export async function checkBucket(
  access: BucketAccess,
  look: (store: S3ObjectStore) => Promise<void> = async () => undefined,
): Promise<void> {
  const store = new S3ObjectStore(access);
  try {
    await store.check();
    await look(store);
  } catch (error) {
    if (!(error instanceof ObjectStorageError)) throw error;
    const detail = `The bucket ${access.bucket} at ${access.endpoint} cannot be used: ${error.message}`;
    throw new Rejection('bucket-unusable', detail, 409);
  } finally {
    store.destroy();
  }
}
