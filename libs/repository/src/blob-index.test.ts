import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';

import { BlobIndex } from './blob-index.js';
import { Malformed } from './json-fields.js';

const id = (name: string) => createHash('sha256').update(name).digest('hex');
const blob = (name: string, offset = 0) => ({ id: id(name), type: 'data', offset, length: 100 });
const pack = (name: string, ...blobs: object[]) => ({ id: id(name), blobs });

describe('the index', () => {
  it('finds each of many blobs, and no other', () => {
    const index = new BlobIndex(100_000);
    const names = Array.from({ length: 20_000 }, (_, i) => `blob ${i}`);
    names.forEach((name, i) => {
      const item = { ...blob(name, i), ...(i % 2 ? { uncompressed_length: i + 7 } : {}) };
      index.add(id('index'), { packs: [pack(`pack ${i % 10}`, item)] });
    });
    expect(index.size).toBe(20_000);
    names.forEach((name, i) => {
      expect(index.find(id(name))).toEqual({
        pack: id(`pack ${i % 10}`),
        offset: i,
        length: 100,
        uncompressedLength: i % 2 ? i + 7 : undefined,
      });
    });
    expect(index.find(id('another'))).toBeUndefined();
    expect(new BlobIndex(1).find(id('another'))).toBeUndefined();
  });

  it('prefers a pack that stays to one that is marked for deletion, whichever comes first', () => {
    const leaving = { packs: [], packs_to_delete: [pack('leaving', blob('a'), blob('only there'))] };
    const staying = { packs: [pack('staying', blob('a'))] };
    for (const documents of [
      [leaving, staying],
      [staying, leaving],
    ]) {
      const index = new BlobIndex(10);
      documents.forEach((document, i) => index.add(id(`index ${i}`), document));
      expect(index.find(id('a'))?.pack).toBe(id('staying'));
      expect(index.find(id('only there'))?.pack).toBe(id('leaving'));
    }
  });

  it('prefers what replaced a superseded index file, whichever comes first', () => {
    const old = [id('old'), { packs: [pack('old pack', blob('a'), blob('only there'))] }] as const;
    const next = [id('new'), { supersedes: [id('old')], packs: [pack('new pack', blob('a'))] }] as const;
    for (const documents of [
      [old, next],
      [next, old],
    ]) {
      const index = new BlobIndex(10);
      for (const [indexId, document] of documents) index.add(indexId, document);
      expect(index.find(id('a'))?.pack).toBe(id('new pack'));
      expect(index.find(id('only there'))?.pack).toBe(id('old pack'));
    }
  });

  it('takes on no more blobs than its bound', () => {
    const index = new BlobIndex(2);
    expect(() => index.add(id('index'), { packs: [pack('p', blob('a'), blob('b'), blob('c'))] })).toThrow(
      expect.objectContaining({ code: 'repository-unsupported' }),
    );
  });

  it.each([
    [[]],
    [{ packs: {} }],
    [{ packs: [{ id: 'short', blobs: [] }] }],
    [{ packs: [pack('p', { ...blob('a'), offset: -1 })] }],
    [{ packs: [pack('p', { ...blob('a'), length: 2 ** 32 })] }],
    [{ packs: [pack('p', { ...blob('a'), length: '100' })] }],
    [{ supersedes: ['../config'], packs: [] }],
  ])('refuses %j', (document) => {
    expect(() => new BlobIndex(10).add(id('index'), document)).toThrow(Malformed);
  });
});
