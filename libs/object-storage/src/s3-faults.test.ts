import { afterEach, describe, expect, it } from '@jest/globals';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { S3ObjectStore } from './index.js';

const servers: Server[] = [];
const stores: S3ObjectStore[] = [];

afterEach(async () => {
  for (const store of stores.splice(0)) store.destroy();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** A store on a server that misbehaves in ways a real one cannot be made to. */
async function storeOn(listener: RequestListener): Promise<S3ObjectStore> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const access = { region: 'us-east-1', bucket: 'bucket-1', accessKeyId: 'id', secretAccessKey: 'secret' };
  const store = new S3ObjectStore({ endpoint: `http://127.0.0.1:${port}`, ...access }, { answerMs: 300 });
  servers.push(server);
  stores.push(store);
  return store;
}

describe('a storage that misbehaves', () => {
  it('is asked again after a passing failure', async () => {
    let requests = 0;
    const store = await storeOn((_, response) => {
      response.statusCode = ++requests < 3 ? 503 : 200;
      response.end('bytes');
    });
    expect((await store.get('a')).toString()).toBe('bytes');
    expect(requests).toBe(3);
  });

  it('is asked a bounded number of times', async () => {
    let requests = 0;
    const store = await storeOn((_, response) => {
      requests += 1;
      response.writeHead(500).end();
    });
    await expect(store.get('a')).rejects.toMatchObject({ code: 'object-storage-unreachable' });
    expect(requests).toBe(3);
  });

  it('is read again when an answer breaks off, and never gives half an object', async () => {
    let requests = 0;
    const store = await storeOn((_, response) => {
      response.writeHead(200, { 'content-length': '10' });
      if (++requests < 3) response.write('01234', () => response.destroy());
      else response.end('0123456789');
    });
    expect((await store.get('a')).toString()).toBe('0123456789');
  });

  it('is given up when it falls silent before or within an answer', async () => {
    const silent = await storeOn(() => undefined);
    await expect(silent.get('a')).rejects.toMatchObject({ code: 'object-storage-unreachable' });
    const stalling = await storeOn((_, response) => {
      response.writeHead(200, { 'content-length': '10' }).write('01234');
    });
    await expect(stalling.get('a')).rejects.toMatchObject({ code: 'object-storage-unreachable' });
    await expect(stalling.getStream('a').then(({ body }) => body.toArray())).rejects.toMatchObject({
      code: 'object-storage-unreachable',
    });
  });

  it('is not believed when it answers a range with the whole object', async () => {
    const store = await storeOn((_, response) => response.end('0123456789'));
    await expect(store.get('a', { range: { offset: 2, length: 2 } })).rejects.toMatchObject({
      code: 'object-range-invalid',
    });
  });

  it('is stopped when an answer of unknown length grows past the limit', async () => {
    const store = await storeOn((_, response) => {
      response.writeHead(200);
      response.write('0123456789');
      response.end('0123456789');
    });
    await expect(store.get('a', { maxBytes: 15 })).rejects.toMatchObject({ code: 'object-too-large' });
  });

  it('tells a writer that it won although the first answer got lost', async () => {
    let stored = '';
    const store = await storeOn((request, response) => {
      if (request.method === 'GET') return void response.end(stored);
      if (request.method === 'HEAD') return void response.writeHead(200, { 'content-length': stored.length }).end();
      if (stored !== '') return void response.writeHead(412).end();
      request.on('data', (chunk: Buffer) => (stored += chunk.toString()));
      request.on('end', () => response.destroy());
    });
    expect(await store.put('a', Buffer.from('mine'), { ifNoneMatch: true })).toBe('stored');
    expect(await store.put('a', Buffer.from('late'), { ifNoneMatch: true })).toBe('exists');
  });

  it('is asked again while it decides between two conditional writes', async () => {
    let requests = 0;
    const store = await storeOn((request, response) => {
      request.resume();
      if (request.method === 'PUT') response.statusCode = ++requests === 1 ? 409 : 412;
      response.end();
    });
    expect(await store.put('a', Buffer.from('x'), { ifNoneMatch: true })).toBe('exists');
  });

  it('fails a deletion that it only pretends to carry out', async () => {
    const page = '<ListBucketResult><Contents><Key>p/a</Key><Size>1</Size></Contents></ListBucketResult>';
    const store = await storeOn((request, response) => {
      request.resume();
      response.end(request.method === 'GET' ? page : '<DeleteResult></DeleteResult>');
    });
    await expect(store.deletePrefix('p/')).rejects.toMatchObject({ code: 'object-storage-failed' });
  });

  it('fails a deletion that it reports as failed', async () => {
    const page = '<ListBucketResult><Contents><Key>p/a</Key><Size>1</Size></Contents></ListBucketResult>';
    const failed = '<DeleteResult><Error><Key>p/a</Key><Code>AccessDenied</Code></Error></DeleteResult>';
    const store = await storeOn((request, response) => {
      request.resume();
      response.end(request.method === 'GET' ? page : failed);
    });
    await expect(store.deletePrefix('p/')).rejects.toMatchObject({ code: 'object-storage-failed' });
  });

  it('fails a listing that does not advance', async () => {
    const page =
      '<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>';
    const store = await storeOn((_, response) => response.end(page));
    await expect(store.list('p/').next()).rejects.toMatchObject({ code: 'object-storage-failed' });
  });
});
