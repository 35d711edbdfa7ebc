import { S3ObjectStore } from '@buckets/object-storage';
import type { Secrets } from '../secrets.js';

/** Any S3 server of ours takes this one. */
export const S3_REGION = 'us-east-1';

/** Makes the buckets in the S3 server. Those that are there stay. */
export async function createBuckets(endpoint: string, { admin, buckets }: Secrets['s3']): Promise<void> {
  const { accessKeyId, secretAccessKey } = admin;
  await Promise.all(
    buckets.map(async ({ bucket }) => {
      const store = new S3ObjectStore({ endpoint, region: S3_REGION, bucket, accessKeyId, secretAccessKey });
      try {
        await store.createBucket();
      } finally {
        store.destroy();
      }
    }),
  );
}
