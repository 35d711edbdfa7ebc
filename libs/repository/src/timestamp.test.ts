import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { Malformed } from './json-fields.js';
import { asTimestamp } from './timestamp.js';

describe('a time in a repository', () => {
  it.each([
    ['1970-01-01T00:00:00Z', 0n],
    ['1970-01-01T00:00:00.000000001+00:00', 1n],
    ['1969-12-31T23:59:59.999999999Z', -1n],
    ['2024-05-06T07:08:09.1+02:00', 1_714_972_089_100_000_000n],
    ['2024-05-06T07:08:09.123456789-00:30', 1_714_981_089_123_456_789n],
    ['2024-05-06T07:08:09+02:00[Europe/Berlin]', 1_714_972_089_000_000_000n],
    ['0001-01-01T00:00:00Z', -62_135_596_800_000_000_000n],
    ['-009999-01-01T00:00:00Z', -377_705_116_800_000_000_000n],
    ['9999-12-30T22:00:00.999999999Z', 253_402_207_200_999_999_999n],
  ])('%s', (text, ns) => {
    expect(asTimestamp(text, 'time')).toBe(ns);
  });

  it.each(['', 'yesterday', '2024-05-06', '2024-05-06T07:08:09', 5, null])('%j is none', (value) => {
    expect(() => asTimestamp(value, 'time')).toThrow(Malformed);
  });

  it('is exact to the nanosecond for every date', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), fc.integer({ min: 0, max: 999_999_999 }), (date, fraction) => {
        const seconds = Math.floor(date.getTime() / 1000);
        const text = new Date(seconds * 1000).toISOString().replace('.000', `.${String(fraction).padStart(9, '0')}`);
        expect(asTimestamp(text, 'time')).toBe(BigInt(seconds) * 1_000_000_000n + BigInt(fraction));
      }),
    );
  });
});
