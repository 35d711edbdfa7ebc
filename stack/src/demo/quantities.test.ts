import { countText } from '@buckets/contracts';
import { describe, expect, it } from '@jest/globals';
import { bytesText, durationText, percentText } from './quantities.js';

describe('numbers for people', () => {
  it('tells bytes in three digits and the unit that fits', () => {
    const told = [0, 999, 1000, 1234, 99_949, 999_499, 999_500, 213_000_000, 5e15].map(bytesText);
    expect(told).toEqual(['0 B', '999 B', '1.00 kB', '1.23 kB', '99.9 kB', '999 kB', '1.00 MB', '213 MB', '5000 TB']);
  });

  it('tells a length of time in at most two units', () => {
    const told = [0, 84.6, 999.6, 2_940, 59_960, 185_000, 3_599_600, 7_810_000].map(durationText);
    expect(told).toEqual(['0 ms', '85 ms', '1.0 s', '2.9 s', '1 min 0 s', '3 min 5 s', '1 h 0 min', '2 h 10 min']);
  });

  it('calls nothing whole that is not', () => {
    expect([percentText(999, 1000), percentText(1000, 1000), percentText(0, 0)]).toEqual(['99 %', '100 %', '0 %']);
  });

  it('counts one and many', () => {
    expect([countText(1, 'file'), countText(1973, 'file'), countText(0, 'entry', 'entries')]).toEqual([
      '1 file',
      '1,973 files',
      '0 entries',
    ]);
  });
});
