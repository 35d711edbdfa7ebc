import { describe, expect, it } from '@jest/globals';

import { Malformed } from './json-fields.js';
import { parseTree } from './tree-entry.js';

const parse = (json: string) => parseTree(Buffer.from(json));
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

  it.each(['', '[]', '{"nodes":{}}', '{"nodes":[null]}', '{"nodes":[', '\ufeff{"nodes":[]}'])('is not %j', (json) => {
    expect(() => parse(json)).toThrow(Malformed);
  });
});
