import { describe, expect, it } from '@jest/globals';

import { Malformed } from './json-fields.js';
import { TreeParser } from './tree-entry.js';
import type { TreeEntry } from './tree-entry.js';

function parse(pieces: string | Buffer[]): TreeEntry[] {
  const parser = new TreeParser();
  const entries = (typeof pieces === 'string' ? [Buffer.from(pieces)] : pieces).flatMap((piece) => parser.push(piece));
  parser.end();
  return entries;
}
const parseNode = (node: object) => parse(JSON.stringify({ nodes: [{ name: 'n', type: 'file', ...node }] }))[0]!;

describe('a tree', () => {
  it('keeps every digit of numbers that a double cannot hold', () => {
    const [entry] = parse(
      '{"nodes":[{"name":"n","type":"file","inode":18446744073709551615,"device_id":9007199254740993,"size":5}]}',
    );
    expect(entry).toMatchObject({ inode: 18446744073709551615n, deviceId: 9007199254740993n, size: 5 });
  });

  it('leaves undefined, or empty, what was not written down', () => {
    expect(parseNode({ content: null, mtime: null })).toMatchObject({
      mode: undefined,
      uid: undefined,
      mtimeNs: undefined,
      size: 0,
      inode: 0n,
      content: [],
      extendedAttributes: [],
      subtree: undefined,
    });
    expect(parse('{"nodes":null}')).toEqual([]);
  });

  it('takes the bytes of a link target from where they are whole', () => {
    const raw = Buffer.from([0xff, 0x0a]);
    const link = { type: 'symlink', linktarget: '\ufffd\n', linktarget_raw: raw.toString('base64') };
    expect(parseNode(link).linkTarget).toEqual(raw);
    expect(parseNode({ ...link, linktarget_raw: null }).linkTarget).toEqual(Buffer.from('\ufffd\n'));
    expect(() => parseNode({ type: 'symlink' })).toThrow(Malformed);
  });

  it('is read from pieces, wherever it was cut', () => {
    const nodes = Array.from({ length: 400 }, (_, n) => ({
      name: `\\xff ö "${n}"`,
      type: 'file',
      inode: n,
      mtime: '2025-11-28T16:36:24.123456789Z',
      extended_attributes: [{ name: 'user.a', value: Buffer.from('[{"content":["]}').toString('base64') }],
      // One entry is longer than what is read at once.
      content: Array.from({ length: n === 77 ? 5_000 : n % 4 }, (_, m) => String((m >> 3) % 10).repeat(64)),
    }));
    const json = Buffer.from(JSON.stringify({ nodes }));
    const whole = parse([json]);
    expect(whole.map(({ content }) => content.reduce((sum, { times }) => sum + times, 0))).toEqual(
      nodes.map(({ content }) => content.length),
    );
    for (const length of [1, 7, 4096, 70_001]) {
      const pieces = Array.from({ length: Math.ceil(json.length / length) }, (_, n) =>
        json.subarray(n * length, (n + 1) * length),
      );
      expect(parse(pieces)).toEqual(whole);
    }
  });

  it('holds a blob that is repeated once, however often', () => {
    const [zeros, data] = ['0', 'd'].map((digit) => digit.repeat(64)) as [string, string];
    const content = [data, ...Array.from({ length: 300_000 }, () => zeros), data, data];
    expect(parseNode({ content }).content).toEqual([
      { id: data, times: 1 },
      { id: zeros, times: 300_000 },
      { id: data, times: 2 },
    ]);
  });

  it.each([
    { type: 'door' },
    { type: undefined },
    { name: '../up' },
    { size: -1 },
    { size: 2 ** 60 },
    { inode: '5' },
    { uid: 2 ** 32 },
    { mtime: 'now' },
    { content: ['../../etc/passwd'] },
    { subtree: 'x' },
    { extended_attributes: [5] },
  ])('is refused with an entry of %j', (node) => {
    expect(() => parseNode(node)).toThrow(Malformed);
  });

  it.each([
    '',
    '[]',
    '{"nodes":{}}',
    '{"nodes":[null]}',
    '{"nodes":[',
    '\ufeff{"nodes":[]}',
    '{"nodes":[],"nodes":[]}',
    '{"n\\u006fdes":[{"name":"n","type":"file"}]}',
  ])('is not %j', (json) => {
    expect(() => parse(json)).toThrow(Malformed);
  });
});
