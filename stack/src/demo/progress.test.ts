import { describe, expect, it } from '@jest/globals';
import { PLAIN_BAR, progressLine } from './progress.js';

describe('the line of progress', () => {
  const uploading = { phase: 'uploading', bytesDone: 105e6, bytesTotal: 210e6, rate: 98.2e6 };

  it('has a bar, the bytes and the rate', () => {
    const line = progressLine(uploading, 1000, PLAIN_BAR);
    expect(line).toBe('uploading   #########.........  50 %  105 MB of 210 MB  98.2 MB/s');
  });

  it('tells the time left instead of the rate when it is worth telling, and fits a terminal of 80 columns', () => {
    const line = progressLine({ ...uploading, phase: 'switching', secondsRemaining: 3599 }, 1000, PLAIN_BAR);
    expect(line).toBe('swapping in #########.........  50 %  105 MB of 210 MB  59 min 59 s left');
    expect(line.length).toBeLessThan(80 - 7);
  });

  it('tells how long it has taken while nothing is counted', () => {
    expect(progressLine(undefined, 400, PLAIN_BAR)).toBe('waiting     400 ms');
    expect(progressLine({ phase: 'verifying', bytesDone: 0, bytesTotal: 10 }, 2000, PLAIN_BAR)).toBe(
      'checking    2.0 s',
    );
  });

  it('is never more than full when files have grown meanwhile', () => {
    const line = progressLine({ phase: 'uploading', bytesDone: 12, bytesTotal: 10 }, 0, PLAIN_BAR);
    expect(line).toBe(`uploading   ${'#'.repeat(18)} 100 %  10 B of 10 B`);
  });
});
