import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatBytes, formatDuration, parseBytes, parseDuration } from './index.js';

describe('quantities', () => {
  it('read back what they write', () => {
    fc.assert(
      fc.property(fc.nat(), (quantity) => {
        expect(parseDuration(formatDuration(quantity))).toBe(quantity);
        expect(parseBytes(formatBytes(quantity))).toBe(quantity);
      }),
    );
  });

  it('are written in the largest unit that divides them', () => {
    expect([0, 250, 90_000, 900_000, 86_400_000].map(formatDuration)).toEqual(['0ms', '250ms', '90s', '15m', '1d']);
    expect([0, 512, 65_536, 67_108_864].map(formatBytes)).toEqual(['0B', '512B', '64KiB', '64MiB']);
  });

  it.each(['', '5', 's', '-5s', '5 s', '1e3s', '0.0001ms', '1h30m'])('refuse %j as a duration', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});
