import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { AttemptWatch } from './attempt-watch.js';

let watch: AttemptWatch;
const LIMITS = { stallMs: 10_000, attemptMs: 60_000 };

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick'] });
  watch = new AttemptWatch(LIMITS);
});
afterEach(() => {
  watch.close();
  jest.useRealTimers();
});

/** Time in which there is a sign of work every second. */
function work(seconds: number): void {
  for (let second = 0; second < seconds; second++) {
    watch.alive();
    jest.advanceTimersByTime(1_000);
  }
}

describe('the limits of an attempt', () => {
  it('end one that shows no sign of work', () => {
    work(5);
    jest.advanceTimersByTime(8_000);
    expect(watch.signal.aborted).toBe(false);
    jest.advanceTimersByTime(2_000);
    expect(watch.broken).toMatchObject({ code: 'stalled', options: { retry: true } });
  });

  it('end one that takes too long, however busy it is', () => {
    work(59);
    expect(watch.signal.aborted).toBe(false);
    work(2);
    expect(watch.broken).toMatchObject({ code: 'attempt-limit', options: { retry: true } });
  });

  it('do not count what it waits for', () => {
    const goOn = watch.wait();
    jest.advanceTimersByTime(3_600_000);
    goOn();
    work(55);
    expect(watch.signal.aborted).toBe(false);
    work(6);
    expect(watch.broken?.code).toBe('attempt-limit');
  });

  it('do not take the time in which the worker itself stood still for a stall', () => {
    work(2);
    const now = performance.now();
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => now + 50_000);
    jest.advanceTimersByTime(1_000);
    expect(watch.signal.aborted).toBe(false);
    clock.mockRestore();
  });

  it('say nothing any more once it has ended', () => {
    watch.close();
    jest.advanceTimersByTime(3_600_000);
    expect(watch.broken).toBeUndefined();
  });
});
