import { describe, expect, it, jest } from '@jest/globals';
import type { HostReport } from '@buckets/contracts';
import { ClockSkews } from './clock-skews.js';

const KEPT_AT = new Date('2031-05-06T12:00:00.000Z');

function heard(...skewsMs: number[]) {
  const log = { warn: jest.fn(), info: jest.fn() };
  const skews = new ClockSkews(log);
  for (const skewMs of skewsMs) {
    skews.hear('host-1', { at: KEPT_AT.getTime() + skewMs } as HostReport, KEPT_AT);
  }
  return { skews, log };
}

describe('the clock of a host', () => {
  it('is warned of from 30 seconds on, in either direction, and once', () => {
    for (const skewMs of [30_000, -30_000, 86_400_000]) {
      const { skews, log } = heard(skewMs, skewMs, skewMs, skewMs);
      expect(log.warn).toHaveBeenCalledTimes(1);
      expect(log.warn).toHaveBeenCalledWith({ hostId: 'host-1', clockSkewMs: skewMs }, expect.any(String));
      expect(skews.size).toBe(1);
    }
    expect(heard(29_999, -29_999, 29_999).log.warn).not.toHaveBeenCalled();
  });

  it('is not warned of for one report that was on its way for long', () => {
    const { skews, log } = heard(0, -60_000, 0, -60_000);
    expect(log.warn).not.toHaveBeenCalled();
    expect([skews.size, skews.warning()]).toEqual([0, null]);
  });

  it('is said to be right again, and warned of again', () => {
    const { skews, log } = heard(60_000, 60_000, 0, 0, 60_000, 60_000);
    expect([log.warn.mock.calls.length, log.info.mock.calls.length]).toEqual([2, 1]);
    expect(skews.size).toBe(1);
  });

  it('is named where people look, until nobody listens any more', () => {
    const { skews } = heard(1_200_000, 1_200_000);
    expect(skews.warning()).toBe(
      'Set the clocks of these hosts, or object storage refuses their work: host-1 (20 minutes ahead).',
    );
    skews.forget();
    expect([skews.size, skews.warning()]).toEqual([0, null]);
  });
});
