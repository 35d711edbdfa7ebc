import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { Backoff } from '@buckets/patience';
import { ReportRequests } from './report-requests.js';

let asked: string[];
let requests: ReportRequests;

beforeEach(() => {
  jest.useFakeTimers();
  asked = [];
  requests = new ReportRequests({
    ask: (hostId) => {
      asked.push(hostId);
      return Promise.reject(new Error('It does not answer.'));
    },
    backoff: new Backoff({ firstMs: 2_000, maxMs: 300_000, random: () => 1 }),
    log: { info: () => undefined },
  });
});
afterEach(() => {
  requests.stop();
  jest.useRealTimers();
});

it('a host that reports by itself soon enough is not asked', async () => {
  requests.need('host-1', 'atlas');
  await jest.advanceTimersByTimeAsync(1_999);
  requests.settle('host-1', 'atlas');
  await jest.advanceTimersByTimeAsync(1_000_000);
  expect(asked).toEqual([]);
});

it('a host is asked once for all its projects, then later and later, and not for ever', async () => {
  for (const projectId of ['atlas', 'borealis', 'corvus']) requests.need('host-1', projectId);
  await jest.advanceTimersByTimeAsync(2_000);
  expect(asked).toEqual(['host-1']);
  requests.settle('host-1', 'atlas');
  await jest.advanceTimersByTimeAsync(3_999);
  expect(asked).toHaveLength(1);
  await jest.advanceTimersByTimeAsync(1);
  expect(asked).toHaveLength(2);
  await jest.advanceTimersByTimeAsync(10_000_000);
  expect(asked).toHaveLength(8);
});

it('a host is no longer asked when nothing is missing, or when it has fallen silent', async () => {
  requests.need('host-1', 'atlas');
  requests.need('host-2', 'borealis');
  await jest.advanceTimersByTimeAsync(2_000);
  requests.settle('host-1', 'atlas');
  requests.drop('host-2');
  await jest.advanceTimersByTimeAsync(1_000_000);
  expect(asked).toEqual(['host-1', 'host-2']);
});
