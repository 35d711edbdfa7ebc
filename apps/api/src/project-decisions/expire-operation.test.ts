import { describe, expect, it } from '@jest/globals';
import { EXPIRY_CODES, type ExpiryCode } from '@buckets/contracts';
import {
  AT,
  beganEvent,
  cancelRequestedEvent,
  event,
  expectRejection,
  given,
  LIMITS,
  READY,
  requestedEvent,
  said,
  UP,
} from '../state/testing/given.js';
import { expireOperation } from './expire-operation.js';

const afterRequest = (seconds: number): string => new Date(Date.parse(AT) + seconds * 1000).toISOString();
const asked = [...READY, requestedEvent('op-1', 'restore')];
const begun = [...asked, beganEvent('op-1', 'restore', 'at-1'), beganEvent('op-1', 'restore', 'at-2', 2)];
const cancelled = [...begun, cancelRequestedEvent('op-1', 'restore')];
const expire = (code: ExpiryCode, events: typeof READY, detail?: string, at = UP.at) =>
  expireOperation(given(...events), 'p1', {
    operationId: 'op-1',
    code,
    at,
    limits: LIMITS,
    ...(detail === undefined ? {} : { detail }),
  });

describe('an operation whose time is up', () => {
  it('ends, and its host is told to stop what it has begun', () => {
    const { events, intents } = expire('whole-limit', begun, 'Its host has been silent since noon.');
    expect(events).toEqual([
      event('restore-expired', {
        operationId: 'op-1',
        attempt: 2,
        code: 'whole-limit',
        reason: expect.stringMatching(/^[A-Z].+\. Its host has been silent since noon\. .+\.$/) as unknown as string,
      }),
    ]);
    expect(intents).toEqual([
      {
        kind: 'cancel',
        hostId: 'h1',
        projectId: 'p1',
        data: { operationId: 'op-1', generation: 2, requestedAt: UP.at },
      },
    ]);
    expect(given(...begun, ...events).operations).toEqual({});
  });

  it('ends without more ado where nothing has begun', () => {
    for (const code of ['queue-limit', 'whole-limit'] as const) {
      const { events, intents } = expire(code, asked);
      expect(events.map(({ type }) => type)).toEqual(['restore-expired']);
      expect(events[0]!.data).not.toHaveProperty('attempt');
      expect(intents).toEqual([]);
    }
  });

  it('waits for nothing any more once an attempt has begun', () => {
    expect(said(expire('queue-limit', begun))).toEqual([]);
  });

  it('is cancelled where its host does not answer to a cancel', () => {
    expect(said(expire('cancel-unanswered', cancelled))).toEqual(['restore-cancelled', '→ cancel']);
    expect(said(expire('cancel-unanswered', begun))).toEqual([]);
    expect(said(expire('whole-limit', cancelled))).toEqual(['restore-expired', '→ cancel']);
  });

  it('goes on where the clock of whoever watches it is ahead', () => {
    for (const [code, seconds] of [
      ['queue-limit', LIMITS.queueSeconds],
      ['whole-limit', LIMITS.wholeSeconds],
    ] as const) {
      const early = () => expire(code, asked, undefined, afterRequest(seconds - 1));
      expectRejection(early, 'time-not-up', 503);
      expect(said(expire(code, asked, undefined, afterRequest(seconds)))).toEqual(['restore-expired']);
    }
  });

  it('has an end of its own when it has ended', () => {
    for (const code of EXPIRY_CODES) {
      expect(said(expire(code, [...cancelled, event('restore-failed', { operationId: 'op-1' })]))).toEqual([]);
    }
  });

  it('is one of a project', () => {
    const expiry = { operationId: 'op-1', code: 'whole-limit' as const, ...UP };
    expectRejection(() => expireOperation(null, 'p1', expiry), 'project-not-found', 404);
  });
});
