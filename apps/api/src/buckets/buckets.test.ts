import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { startSeaweedFs, type SeaweedFs } from '@buckets/real-parts';
import { S3ObjectStore } from '@buckets/object-storage';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { PROJECT_KEYS, type ProjectKeys } from '../keys/project-keys.js';
import { RunningApi } from '../testing/running-api.js';

jest.setTimeout(90_000);

let api: RunningApi;
let s3: SeaweedFs;

beforeAll(async () => {
  [api, s3] = await Promise.all([RunningApi.start(), startSeaweedFs()]);
  const store = new S3ObjectStore(s3.access('given'));
  await store.createBucket();
  store.destroy();
  await add('/v1/regions', { id: 'eu', name: 'Europe', latitude: 0, longitude: 0 });
});
afterAll(async () => {
  await Promise.all([api?.stop(), s3?.[Symbol.asyncDispose]()]);
});

const add = (path: string, body: object) => api.call('POST', path, { body });

/** A bucket with nothing in it, that answers once it is let to. */
async function heldStorage(): Promise<{ server: Server; endpoint: string; asked: Promise<void>; go: () => void }> {
  const held = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const server = createServer((_, answer) => {
    asked.resolve();
    void held.promise.then(() => answer.end('<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { server, endpoint: `http://127.0.0.1:${port}`, asked: asked.promise, go: held.resolve };
}

it('a bucket that is refused as it exists leaves the credentials of the one that won as they are', async () => {
  const { endpoint, region, bucket, accessKeyId, secretAccessKey } = s3.access('given');
  const common = { id: 'raced', regionId: 'eu', s3Region: region, bucket };
  const held = await heldStorage();
  try {
    const late = { ...common, endpoint: held.endpoint, accessKeyId: 'OTHER', secretAccessKey: 'other' };
    const losing = add('/v1/buckets', late);
    await held.asked;
    expect(await add('/v1/buckets', { ...common, endpoint, accessKeyId, secretAccessKey })).toMatchObject({
      status: 201,
    });
    held.go();
    expect(await losing).toMatchObject({ status: 409, body: { code: 'bucket-exists' } });
  } finally {
    held.go();
    held.server.close();
    held.server.closeAllConnections();
  }
  const keys = api.part<ProjectKeys>(PROJECT_KEYS);
  expect(await keys.bucketAccess('raced')).toMatchObject({ endpoint, accessKeyId, secretAccessKey });
});

it('a bucket is added once, however many ask for it at once', async () => {
  const { region, ...access } = s3.access('given');
  const store = new S3ObjectStore(s3.access('wanted'));
  await store.createBucket();
  store.destroy();
  const body = { ...access, s3Region: region, bucket: 'wanted', regionId: 'eu' };
  const answers = await Promise.all(Array.from({ length: 5 }, () => add('/v1/buckets', body)));
  const [made, ...others] = answers.toSorted((a, b) => a.status - b.status);
  expect(made).toMatchObject({ status: 201 });
  for (const other of others) {
    expect(other).toMatchObject({ status: 409, body: { code: 'bucket-exists-as', bucketId: made!.body['id'] } });
  }
});
