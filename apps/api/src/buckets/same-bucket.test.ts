import { expect, it } from '@jest/globals';
import { isSameBucket } from './same-bucket.js';

const same = (one: string, other: string) =>
  isSameBucket({ endpoint: one, bucket: 'b' }, { endpoint: other, bucket: 'b' });

it.each([
  ['http://127.0.0.1:8333', 'http://127.0.0.1:8333/'],
  ['https://S3.Example.COM', 'https://s3.example.com.'],
  ['https://s3.example.com', 'https://s3.example.com:443/'],
  ['https://s3.example.com', 'http://s3.example.com:80'],
  ['https://s3.example.com/a/b', 'https://s3.example.com//a/b/'],
  ['http://[::1]:9000', 'http://[0:0:0:0:0:0:0:1]:9000'],
])('%s is where %s is', (one, other) => {
  expect(same(one, other)).toBe(true);
  expect(isSameBucket({ endpoint: one, bucket: 'b' }, { endpoint: other, bucket: 'c' })).toBe(false);
});

it.each([
  ['http://127.0.0.1:8333', 'http://127.0.0.1:8334'],
  ['https://s3.example.com', 'https://s3.example.org'],
  ['https://s3.example.com/a', 'https://s3.example.com/A'],
  ['https://s3.example.com:8443', 'https://s3.example.com'],
])('%s is another place than %s', (one, other) => {
  expect(same(one, other)).toBe(false);
});
