import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { startSeaweedFs, type SeaweedFs } from '@buckets/real-parts';
import { PlatformKeys } from '@buckets/vault';
import type { DataSource } from 'typeorm';
import { RealParts } from '../../../../libs/log/src/testing/real-parts.js';
import { BucketRow } from '../tables/entities.js';
import { openDatabase } from '../wiring/database.js';
import { VaultKeys } from './vault-keys.js';

jest.setTimeout(60_000);

const never = new AbortController().signal;
let parts: RealParts;
let storage: SeaweedFs;
let data: DataSource;
let hangs: boolean;
let keys: VaultKeys;

beforeAll(async () => {
  [parts, storage] = await Promise.all([RealParts.start(['postgres']), startSeaweedFs()]);
  data = await openDatabase(parts.infrastructure.postgresUrl, 4);
});
afterAll(async () => {
  await data?.destroy();
  await storage?.[Symbol.asyncDispose]();
  await parts?.stop();
});
beforeEach(async () => {
  hangs = false;
  keys = new VaultKeys(hanging(data), new PlatformKeys(randomBytes(32).toString('base64')));
  const { endpoint, region, bucket, ...credentials } = storage.access('there-is-none');
  const place = { id: 'b1', region_id: 'r', endpoint, s3_region: region, bucket, position: 1 };
  await data.getRepository(BucketRow).save(place);
  await keys.storeBucketAccess('b1', { endpoint, region, bucket, ...credentials });
});

/** Gives no answer on buckets while the test says so, as a database that is frozen does. */
function hanging(real: DataSource): DataSource {
  const silent = { find: () => new Promise(() => undefined), findOneBy: () => new Promise(() => undefined) };
  return new Proxy(real, {
    get: (target, name) =>
      name === 'getRepository'
        ? (entity: typeof BucketRow) => (hangs && entity === BucketRow ? silent : target.getRepository(entity))
        : (Reflect.get(target, name) as unknown),
  });
}

it('a storage is not blamed for a database that does not say which buckets there are', async () => {
  hangs = true;
  await expect(keys.checkBuckets(never)).rejects.toMatchObject({
    code: 'buckets-unknown',
    message: expect.stringMatching(/stands in Postgres.*took longer/),
  });
});

it('is asked all the same by the buckets that are in use', async () => {
  const failure: unknown = await keys.checkBuckets(never).catch((error: unknown) => error);
  expect(String(failure)).toMatch(/there-is-none|bucket/i);
  hangs = true;
  await expect(keys.checkBuckets(never)).rejects.toThrow((failure as Error).message);
});
