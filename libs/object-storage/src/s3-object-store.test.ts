import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { CreateMultipartUploadCommand, S3Client } from '@aws-sdk/client-s3';
import { startSeaweedFs, type SeaweedFs } from '@buckets/real-parts';
import { randomBytes } from 'node:crypto';

import { S3ObjectStore } from './index.js';

jest.setTimeout(60_000);

let server: SeaweedFs;
let store: S3ObjectStore;

beforeAll(async () => {
  server = await startSeaweedFs();
  store = new S3ObjectStore(server.access('bucket-1'));
  await store.createBucket();
});

afterAll(async () => {
  store?.destroy();
  await server?.[Symbol.asyncDispose]();
});

async function keysOf(listing: AsyncIterable<{ key: string }>): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of listing) keys.push(key);
  return keys;
}

describe('objects', () => {
  it('gives back the bytes that were stored', async () => {
    const bytes = randomBytes(3_000_000);
    expect(await store.put('objects/a', bytes)).toBe('stored');
    expect((await store.get('objects/a')).equals(bytes)).toBe(true);
    expect(await store.head('objects/a')).toMatchObject({ key: 'objects/a', size: 3_000_000 });
  });

  it('stores and reads an empty object', async () => {
    await store.put('objects/empty', new Uint8Array());
    expect(await store.get('objects/empty')).toHaveLength(0);
  });

  it('gives a range, and what is there of a range that reaches past the end', async () => {
    await store.put('objects/digits', Buffer.from('0123456789'));
    expect((await store.get('objects/digits', { range: { offset: 3, length: 4 } })).toString()).toBe('3456');
    expect((await store.get('objects/digits', { range: { offset: 8, length: 40 } })).toString()).toBe('89');
    await expect(store.get('objects/digits', { range: { offset: 10, length: 1 } })).rejects.toMatchObject({
      code: 'object-range-invalid',
    });
  });

  it('never reads more than the caller allows', async () => {
    await expect(store.get('objects/digits', { maxBytes: 9 })).rejects.toMatchObject({ code: 'object-too-large' });
    expect(await store.get('objects/digits', { maxBytes: 10 })).toHaveLength(10);
  });

  it('streams, and stops when the reader has had enough', async () => {
    await store.put('objects/large', Buffer.alloc(8_000_000, 7));
    const { body, size } = await store.getStream('objects/large');
    expect(size).toBe(8_000_000);
    for await (const chunk of body as AsyncIterable<Buffer>) {
      expect(chunk[0]).toBe(7);
      break;
    }
    expect(body.destroyed).toBe(true);
  });

  it('names what is missing: the object or the bucket', async () => {
    await expect(store.get('objects/none')).rejects.toMatchObject({
      code: 'object-not-found',
      object: 'bucket-1/objects/none',
    });
    expect(await store.head('objects/none')).toBeUndefined();
    const nowhere = new S3ObjectStore(server.access('no-such-bucket'));
    await expect(nowhere.get('a')).rejects.toMatchObject({ code: 'bucket-not-found' });
    await expect(nowhere.check()).rejects.toMatchObject({ code: 'bucket-not-found' });
    nowhere.destroy();
  });

  it('deletes an object, and one that is not there', async () => {
    await store.put('objects/short-lived', Buffer.from('x'));
    await store.delete('objects/short-lived');
    await store.delete('objects/short-lived');
    expect(await store.head('objects/short-lived')).toBeUndefined();
  });

  it('ends with the reason of the caller who gave up', async () => {
    const reason = new Error('the caller left');
    await expect(store.get('objects/a', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const { body } = await store.getStream('objects/large', { signal: controller.signal });
    controller.abort(reason);
    await expect(body.toArray()).rejects.toBe(reason);
  });
});

it('an upload in parts that was begun and not ended is found, though no list shows it', async () => {
  expect(await store.unfinishedUploads()).toEqual([]);
  const { endpoint, region, accessKeyId, secretAccessKey, bucket } = server.access('bucket-1');
  const credentials = { accessKeyId, secretAccessKey };
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
  await client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'parts/half' }));
  client.destroy();
  expect(await store.unfinishedUploads()).toEqual(['parts/half']);
  expect(await keysOf(store.list('parts/'))).toEqual([]);
});

describe('a conditional put', () => {
  it('leaves an object that is there as it is', async () => {
    await store.put('conditional/taken', Buffer.from('first'));
    expect(await store.put('conditional/taken', Buffer.from('second'), { ifNoneMatch: true })).toBe('exists');
    expect((await store.get('conditional/taken')).toString()).toBe('first');
  });

  it('is won by exactly one of 20 racing writers, and holds the bytes of the winner', async () => {
    const writers = Array.from({ length: 4 }, () => new S3ObjectStore(server.access('bucket-1')));
    for (const key of ['conditional/race-1', 'conditional/race-2', 'conditional/race-3']) {
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          writers[i % 4]!.put(key, Buffer.from(`writer ${i}`), { ifNoneMatch: true }),
        ),
      );
      expect(outcomes.filter((outcome) => outcome === 'stored')).toHaveLength(1);
      expect((await store.get(key)).toString()).toBe(`writer ${outcomes.indexOf('stored')}`);
    }
    for (const writer of writers) writer.destroy();
  });
});

describe('a prefix', () => {
  const names = Array.from({ length: 1203 }, (_, i) => `many/${String(i).padStart(4, '0')}`);

  beforeAll(async () => {
    for (let i = 0; i < names.length; i += 50) {
      await Promise.all(names.slice(i, i + 50).map((key) => store.put(key, Buffer.from(key))));
    }
    await store.put('many-others/a', Buffer.from('kept'));
    await store.put('many/folder/', new Uint8Array());
  });

  it('is listed in order over several pages, without folder markers', async () => {
    expect(await keysOf(store.list('many/'))).toEqual(names);
  });

  it('is listed from a key on, up to a limit', async () => {
    expect(await keysOf(store.list('many/', { after: 'many/0099', limit: 3 }))).toEqual(names.slice(100, 103));
    expect(await keysOf(store.list('many/', { limit: 1100 }))).toEqual(names.slice(0, 1100));
    expect(await keysOf(store.list('nothing/'))).toEqual([]);
  });

  it('has folders right below it, over several pages, and without what lies in it itself', async () => {
    const names = Array.from({ length: 1_005 }, (_, index) => `f-${String(index).padStart(4, '0')}`);
    for (let at = 0; at < names.length; at += 50) {
      await Promise.all(names.slice(at, at + 50).map((name) => store.put(`folders/${name}/x/1`, Buffer.from('x'))));
    }
    await store.put('folders/none', Buffer.from('x'));
    const found: string[] = [];
    for await (const name of store.folders('folders/')) found.push(name);
    expect(found.toSorted()).toEqual(names);
    const first: string[] = [];
    for await (const name of store.folders('folders/', { limit: 3 })) first.push(name);
    expect(first).toHaveLength(3);
    for await (const name of store.folders('nothing/')) throw new Error(`There is no ${name}.`);
  });

  it('is deleted as a whole, in bounded steps, and nothing beside it', async () => {
    expect(await store.deletePrefix('many/', { limit: 100 })).toEqual({ deleted: 100, complete: false });
    expect(await store.deletePrefix('many/')).toMatchObject({ complete: true });
    expect(await keysOf(store.list('many'))).toEqual(['many-others/a']);
    await expect(store.deletePrefix('many')).rejects.toMatchObject({ code: 'object-storage-failed' });
    await expect(store.deletePrefix('/')).rejects.toMatchObject({ code: 'object-storage-failed' });
    await expect(store.deletePrefix('')).rejects.toMatchObject({ code: 'object-storage-failed' });
  });
});

describe('credentials and health', () => {
  it('is healthy while the bucket answers', async () => {
    await store.check();
    expect(await store.createBucket()).toBe('exists');
  });

  it('says that the storage refused, without a word of the secret', async () => {
    const stranger = new S3ObjectStore({ ...server.access('bucket-1'), secretAccessKey: 'not-the-secret' });
    await expect(stranger.check()).rejects.toMatchObject({ code: 'object-storage-refused' });
    const refusal: unknown = await stranger.get('objects/a').catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'object-storage-refused' });
    expect(JSON.stringify(refusal) + String(refusal)).not.toMatch(/not-the-secret|test-access/);
    stranger.destroy();
  });

  it('says that nobody answers', async () => {
    const away = new S3ObjectStore({ ...server.access('bucket-1'), endpoint: 'http://127.0.0.1:1' });
    await expect(away.check()).rejects.toMatchObject({ code: 'object-storage-unreachable' });
    await expect(away.get('a')).rejects.toMatchObject({ code: 'object-storage-unreachable' });
    away.destroy();
  });
});
