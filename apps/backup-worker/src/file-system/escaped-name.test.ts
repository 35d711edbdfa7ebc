import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { escapeName, unescapeName } from './escaped-name.js';

const anyName = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.string({ unit: 'binary', maxLength: 20 }).map((text) => Buffer.from(text)),
  // Pieces of UTF-8 that are cut off in the middle, next to each other.
  fc
    .array(
      fc.constantFrom('c3', 'a9', 'f0', '9f', '8c', 'b3', 'ed', 'a0', '80', 'c0', 'af', '5c', '78', '35', 'efbbbf'),
    )
    .map((hex) => Buffer.from(hex.join(''), 'hex')),
);

describe('an escaped name', () => {
  it.each([
    ['größe 🪣\n.txt', Buffer.from('größe 🪣\n.txt')],
    ['f\\xfcr', Buffer.from('f\xfcr', 'latin1')],
    ['a\\x5cb', Buffer.from('a\\b')],
    ['\\x5cx41', Buffer.from('\\x41')],
    ['\\xed\\xa0\\x80', Buffer.from('eda080', 'hex')],
    ['\\xc0\\xaf', Buffer.from('c0af', 'hex')],
    ['é\\xc3', Buffer.from('c3a9c3', 'hex')],
    ['\ufeffa', Buffer.from('efbbbf61', 'hex')],
  ])('%j stands for its bytes, both ways', (text, bytes) => {
    expect(escapeName(bytes)).toBe(text);
    expect(unescapeName(text)).toEqual(bytes);
  });

  it.each(['\\x41', '\\xC3', '\\xc3\\xa9', 'a\\b', '\\', '\\x5', '\\xzz', '\ud800', '\\x2f', '\\x2e\\x2e', '\\x00'])(
    '%j is not the form that escaping gives: no name has two',
    (text) => expect(unescapeName(text)).toBeUndefined(),
  );

  it('gives every name back, byte for byte', () => {
    fc.assert(fc.property(anyName, (name) => expect(unescapeName(escapeName(name))).toEqual(name)));
  });

  it('is the only text for its name', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('\\', 'x', '5', 'c', '3', 'é', 'a', '\ud800') }), (text) => {
        const name = unescapeName(text);
        if (name) expect(escapeName(name)).toBe(text);
      }),
    );
  });
});
