import { S3ObjectStore } from '@buckets/object-storage';
import { until } from '@buckets/patience';
import type { Secrets } from '../secrets.js';

/** Any S3 server of ours takes this one. */
export const S3_REGION = 'us-east-1';

const PROBE = 'takes-objects';

/**
 * Makes the buckets in the S3 server, and waits until they take objects: SeaweedFS answers before what it stores on is
 * there. Those that are there stay.
 */
export async function createBuckets(endpoint: string, { admin, buckets }: Secrets['s3']): Promise<void> {
  const { accessKeyId, secretAccessKey } = admin;
  await Promise.all(
    buckets.map(async ({ bucket }) => {
      const store = new S3ObjectStore({ endpoint, region: S3_REGION, bucket, accessKeyId, secretAccessKey });
      try {
        await store.createBucket();
        const put = () => store.put(PROBE, Buffer.from(bucket));
        await until(put, { what: `the bucket ${bucket}: an object stored`, withinMs: 60_000 });
        await store.delete(PROBE);
      } finally {
        store.destroy();
      }
    }),
  );
}
