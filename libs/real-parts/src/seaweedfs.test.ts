import { expect, it } from '@jest/globals';
import { readdir } from 'node:fs/promises';
import { startSeaweedFs } from './seaweedfs.js';

it('an S3 server of a test refuses strangers, and leaves nothing behind', async () => {
  const server = await startSeaweedFs();
  const { endpoint } = server.access('bucket-1');
  try {
    expect((await fetch(`${endpoint}/bucket-1/object`)).status).toBe(403);
  } finally {
    await server[Symbol.asyncDispose]();
  }
  await expect(fetch(endpoint)).rejects.toThrow();
  const sockets = (await readdir('/tmp')).filter((name) => name.endsWith(`-${new URL(endpoint).port}.sock`));
  expect(sockets).toEqual([]);
}, 60_000);
