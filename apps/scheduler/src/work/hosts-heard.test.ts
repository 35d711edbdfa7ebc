import { expect, it } from '@jest/globals';
import { hostsHeard } from './hosts-heard.js';

it('a host is silent since it was last heard, or since somebody listens, once that is longer ago than the limit', () => {
  const control = { now: 1_000_000 };
  const seen = new Map([['eu-1', 1_010_000]]);
  const board = { seenAt: (hostId: string) => seen.get(hostId) };
  const { silentSince } = hostsHeard(board, { clock: { now: () => control.now }, silenceLimitMs: 30_000 });
  control.now = 1_040_000;
  expect(silentSince('eu-1')).toBeNull();
  expect(Math.abs(silentSince('never-heard')! - (Date.now() - 40_000))).toBeLessThan(1_000);
  control.now = 1_040_001;
  expect(silentSince('eu-1')).not.toBeNull();
});
