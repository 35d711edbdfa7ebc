import { describe, expect, it } from '@jest/globals';
import { poly1305 as reference } from '@noble/ciphers/_poly1305.js';
import fc from 'fast-check';

import { Poly1305, poly1305 } from './poly1305.js';

describe('poly1305', () => {
  it('gives the tag of RFC 8439, section 2.5.2', () => {
    const r = Buffer.from('85d6be7857556d337f4452fe42d506a8', 'hex');
    const s = Buffer.from('0103808afb0db2fd4abff6af4149f51b', 'hex');
    const tag = poly1305(Buffer.from('Cryptographic Forum Research Group'), r, s);
    expect(tag.toString('hex')).toBe('a8061dc1305136c6c22b8baf0c0127a9');
  });

  it('agrees with an implementation of other hands, at the extremes of its arithmetic too', () => {
    const bytes = (length: { minLength: number; maxLength: number }) =>
      fc.oneof(
        fc.uint8Array(length),
        fc.integer({ min: length.minLength, max: length.maxLength }).map((n) => new Uint8Array(n).fill(255)),
        fc.integer({ min: length.minLength, max: length.maxLength }).map((n) => new Uint8Array(n)),
      );
    const key = bytes({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(bytes({ minLength: 0, maxLength: 200 }), key, (message, key) => {
        const tag = poly1305(message, key.subarray(0, 16), key.subarray(16));
        expect(tag.equals(reference(message, key))).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('gives the same for a message in pieces of whole blocks', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(20)), (message, blocks) => {
        const key = new Uint8Array(32).fill(7);
        const authenticator = new Poly1305(key.subarray(0, 16));
        let at = 0;
        for (const count of blocks) {
          const end = Math.min(at + count * 16, message.length - (message.length % 16));
          authenticator.update(message.subarray(at, end));
          at = end;
        }
        const tag = authenticator.update(message.subarray(at)).tag(key.subarray(16));
        expect(tag.equals(reference(message, key))).toBe(true);
      }),
    );
    const ended = new Poly1305(new Uint8Array(16)).update(new Uint8Array(17));
    expect(() => ended.update(new Uint8Array(16))).toThrow(RangeError);
  });

  it('reads a message wherever it lies in memory', () => {
    const memory = new Uint8Array(100).map((_, index) => index * 7);
    const key = new Uint8Array(32).fill(9);
    for (let offset = 0; offset < 9; offset++) {
      const message = memory.subarray(offset, offset + 50);
      const tag = poly1305(message, key.subarray(0, 16), key.subarray(16));
      expect(tag.equals(reference(message, key))).toBe(true);
    }
  });
});
