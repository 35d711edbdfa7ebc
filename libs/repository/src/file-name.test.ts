import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { unescapeFileName } from './file-name.js';
import { Malformed } from './json-fields.js';

describe('a name in a tree', () => {
  it.each([
    ['plain.txt', Buffer.from('plain.txt')],
    ['für 日本語 🪣', Buffer.from('für 日本語 🪣')],
    ['f\\xfcr', Buffer.from('f\xfcr', 'latin1')],
    ['\\xFF\\x80', Buffer.from([0xff, 0x80])],
    ['two\\nlines\\r\\t\\v\\f\\a\\b', Buffer.from('two\nlines\r\t\v\f\x07\b')],
    ['back\\\\slash \\"quoted\\" \\\'one\\\' \\`tick\\`', Buffer.from('back\\slash "quoted" \'one\' `tick`')],
    ['\\\\x2f', Buffer.from('\\x2f')],
    ['\\u00df\\U0001f4af', Buffer.from('ß💯')],
  ])('%s stands for its bytes', (escaped, bytes) => {
    expect(unescapeFileName(escaped)).toEqual(bytes);
  });

  it.each(['', '.', '..', 'a/b', 'a\\x2fb', 'a\\x00b', '\\u002e.', 'a\\', '\\x4', '\\q', '\\ud800', '\\U00110000'])(
    '%j is refused',
    (escaped) => {
      expect(() => unescapeFileName(escaped)).toThrow(Malformed);
    },
  );

  it('comes back whole from any bytes that Linux allows', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 3, maxLength: 255 }), (bytes) => {
        const name = Buffer.from(bytes).map((byte) => (byte === 0 || byte === 0x2f ? 0x41 : byte));
        const escaped = [...name].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
        expect(unescapeFileName(escaped)).toEqual(Buffer.from(name));
      }),
    );
  });
});
