import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { HostSilence } from './host-silence.js';

let seenAt: number | undefined;
let told: [hostId: string, silent: boolean][];
let silence: HostSilence;

beforeEach(() => {
  jest.useFakeTimers({ now: 1_000_000 });
  seenAt = Date.now();
  told = [];
  const clock = { now: () => Date.now() };
  silence = new HostSilence(
    30_000,
    clock,
    () => seenAt,
    (hostId, silent) => told.push([hostId, silent]),
  );
});
afterEach(() => {
  silence.stop();
  jest.useRealTimers();
});

it('a host that beats is never silent, and has one timer', () => {
  for (let beat = 0; beat < 100; beat++) {
    jest.advanceTimersByTime(5_000);
    seenAt = Date.now();
    silence.heard('host-1');
  }
  expect(told).toEqual([]);
  expect(jest.getTimerCount()).toBe(1);
});

it('a host is silent once, when it has not been seen for longer than the limit, and is told of when it comes back', () => {
  silence.heard('host-1');
  jest.advanceTimersByTime(30_000);
  expect(told).toEqual([]);
  jest.advanceTimersByTime(1);
  expect(told).toEqual([['host-1', true]]);
  jest.advanceTimersByTime(300_000);
  expect(told).toHaveLength(1);
  seenAt = Date.now();
  silence.heard('host-1');
  expect(told.at(-1)).toEqual(['host-1', false]);
});

it('a host that was last seen long ago is silent at once', () => {
  seenAt = Date.now() - 60_000;
  silence.heard('host-1');
  expect(told).toEqual([['host-1', true]]);
});
