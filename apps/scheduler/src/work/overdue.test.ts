import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { dueLimits } from '../when/limits.js';
import { overdue, type HostsHeard, type LimitedOperation } from './overdue.js';

const NOW = Date.parse('2031-05-06T12:00:00.000Z');
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const CANCEL_LIMIT = 2 * MINUTE;

const operation = (more: Partial<LimitedOperation> = {}): LimitedOperation => ({
  id: 'o1',
  projectId: 'atlas',
  hostId: 'eu-1',
  began: false,
  queueUntil: NOW + HOUR,
  wholeUntil: NOW + 24 * HOUR,
  cancelRequestedAt: null,
  ...more,
});
const allHeard: HostsHeard = { silentSince: () => null };
const at = (now: number, each: LimitedOperation, hosts = allHeard) =>
  overdue(now, each, { hosts, cancelLimitMs: CANCEL_LIMIT });
const codeAt = (now: number, more: Partial<LimitedOperation>) => at(now, operation(more))?.code;

describe('the time of an operation is up', () => {
  it('when it has waited in the queue for its time, to the millisecond', () => {
    expect(at(NOW + HOUR - 1, operation())).toBeNull();
    expect(at(NOW + HOUR, operation())).toEqual({ projectId: 'atlas', operationId: 'o1', code: 'queue-limit' });
  });

  it('when all of it has taken its time, whatever it does', () => {
    expect(codeAt(NOW + 24 * HOUR - 1, { began: true })).toBeUndefined();
    expect(codeAt(NOW + 24 * HOUR, { began: true })).toBe('whole-limit');
    expect(codeAt(NOW + HOUR, { wholeUntil: NOW + MINUTE })).toBe('whole-limit');
  });

  it('when nobody has answered a cancel in time', () => {
    const cancelled = { began: true, cancelRequestedAt: NOW };
    expect(codeAt(NOW + CANCEL_LIMIT - 1, cancelled)).toBeUndefined();
    expect(codeAt(NOW + CANCEL_LIMIT, cancelled)).toBe('cancel-unanswered');
  });

  it('by the limit that came first, however late it is seen', () => {
    const began = { began: true, wholeUntil: NOW + MINUTE };
    expect(codeAt(NOW + HOUR, { ...began, cancelRequestedAt: NOW })).toBe('whole-limit');
    expect(codeAt(NOW + HOUR, { ...began, cancelRequestedAt: NOW - CANCEL_LIMIT })).toBe('cancel-unanswered');
  });

  it('not in the queue any more once an attempt has begun', () => {
    expect(codeAt(NOW + HOUR, { began: true })).toBeUndefined();
  });
});

it('who waits for a silent host is told since when it is silent', () => {
  const hosts: HostsHeard = { silentSince: (hostId) => (hostId === 'eu-1' ? NOW - MINUTE : null) };
  const due = [operation(), operation({ id: 'o2', hostId: 'us-1' })].map((each) => at(NOW + HOUR, each, hosts));
  expect(due.map((each) => each!.detail)).toEqual([
    'Nothing has been heard of the host eu-1 since 2031-05-06T11:59:00.000Z.',
    undefined,
  ]);
});

describe('of any operations', () => {
  const moment = fc.integer({ min: 0, max: 5_000 });
  const any: fc.Arbitrary<LimitedOperation> = fc.record({
    id: fc.uuid(),
    projectId: fc.constantFrom('atlas', 'borealis'),
    hostId: fc.constantFrom('eu-1', 'us-1'),
    began: fc.boolean(),
    queueUntil: moment,
    wholeUntil: moment,
    cancelRequestedAt: fc.option(moment),
  });
  const CANCEL = 100;
  const limitsOf = ({ began, queueUntil, wholeUntil, cancelRequestedAt }: LimitedOperation) => ({
    'queue-limit': began ? Infinity : queueUntil,
    'whole-limit': wholeUntil,
    'cancel-unanswered': cancelRequestedAt === null ? Infinity : cancelRequestedAt + CANCEL,
  });
  const look = (now: number, each: LimitedOperation) => overdue(now, each, { hosts: allHeard, cancelLimitMs: CANCEL });

  it('none is ended before its time, and each one at the first look after it, with one limit', () => {
    fc.assert(
      fc.property(any, moment, (each, now) => {
        const limits = limitsOf(each);
        const first = Math.min(...Object.values(limits));
        const due = look(now, each);
        expect(due !== null).toBe(now >= first);
        if (due !== null) expect(limits[due.code]).toBe(first);
      }),
    );
  });

  it('whose time is up it stays up, by the same limit, and a clock that jumps back brings nothing forward', () => {
    fc.assert(
      fc.property(any, moment, moment, (each, a, b) => {
        const early = look(Math.min(a, b), each);
        if (early !== null) expect(look(Math.max(a, b), each)).toEqual(early);
      }),
    );
  });

  it('the tables have it looked at when its time is up, and not before', () => {
    fc.assert(
      fc.property(any, (each) => {
        const due = dueLimits(each).map(({ kind, dueAt }) => dueAt + (kind === 'cancel' ? CANCEL : 0));
        const first = Math.min(...due);
        expect(look(first, each)).not.toBeNull();
        expect(look(first - 1, each)).toBeNull();
      }),
    );
  });
});
