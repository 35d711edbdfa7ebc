import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';

import { RepositoryKey, createRepositoryKey } from './repository-key.js';

interface MasterKey {
  mac: { k: string; r: string };
  encrypt: string;
}

describe('a new repository key', () => {
  it('has the sizes and the clamped bits that restic asks for, and is never the same', () => {
    const keys = Array.from({ length: 50 }, () => JSON.parse(createRepositoryKey()) as MasterKey);
    for (const { mac, encrypt } of keys) {
      const r = Buffer.from(mac.r, 'base64');
      expect([r.length, Buffer.from(mac.k, 'base64').length, Buffer.from(encrypt, 'base64').length]).toEqual([
        16, 16, 32,
      ]);
      expect([3, 7, 11, 15].map((index) => r[index]! & 0xf0)).toEqual([0, 0, 0, 0]);
      expect([4, 8, 12].map((index) => r[index]! & 0x03)).toEqual([0, 0, 0]);
    }
    expect(new Set(keys.map(({ encrypt }) => encrypt)).size).toBe(50);
  });
});

describe('opening', () => {
  it('gives back what was sealed, and nothing once a bit of it has changed', () => {
    const key = new RepositoryKey(createRepositoryKey());
    for (const length of [0, 1, 16, 1000]) {
      const plain = randomBytes(length);
      const sealed = key.seal(plain);
      expect(key.open(sealed)).toEqual(plain);
      sealed[length] = sealed[length]! ^ 1;
      expect(key.open(sealed)).toBeUndefined();
    }
  });

  it('in pieces gives the same, as often as it is asked for', async () => {
    const key = new RepositoryKey(createRepositoryKey());
    for (const length of [0, 1, 65_536, 2_000_003]) {
      const plain = randomBytes(length);
      const sealed = key.seal(plain);
      const open = await key.openInPieces(sealed);
      for (let time = 0; time < 2; time++) expect(Buffer.concat([...open!()]).equals(plain)).toBe(true);
      sealed[length] = sealed[length]! ^ 1;
      expect(await key.openInPieces(sealed)).toBeUndefined();
    }
    expect(await key.openInPieces(randomBytes(31))).toBeUndefined();
  });

  it('gives nothing for what is too short, or not sealed with this key', () => {
    const key = new RepositoryKey(createRepositoryKey());
    for (const length of [0, 15, 16, 31, 32, 33, 500]) expect(key.open(randomBytes(length))).toBeUndefined();
  });
});
