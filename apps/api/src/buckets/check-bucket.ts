import type { BucketAccess } from '@buckets/contracts';
import { ObjectStorageError, S3ObjectStore } from '@buckets/object-storage';
import { Rejection } from '../decisions/rejection.js';

/** @throws {Rejection} saying what is wrong with the bucket or its credentials */
export async function checkBucket(access: BucketAccess): Promise<void> {
  const store = new S3ObjectStore(access);
  try {
    await store.check();
  } catch (error) {
    if (!(error instanceof ObjectStorageError)) throw error;
    const detail = `The bucket ${access.bucket} at ${access.endpoint} cannot be used: ${error.message}`;
    throw new Rejection('bucket-unusable', detail, 409);
  } finally {
    store.destroy();
  }
}
