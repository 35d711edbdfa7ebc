import { describe, expect, it } from '@jest/globals';
import { Refused, Unanswered } from '@buckets/log';
import { ClockSkewed, ObjectNotFound, ObjectStorageRefused, ObjectStorageUnreachable } from '@buckets/object-storage';
import { RepositoryCorrupt } from '@buckets/repository';
import { ToolFailedError } from '../processes/run-tool.js';
import { NotEnoughSpaceError, SwapNotConfirmedError, SwitchStuckError } from '../host-data/index.js';
import { FAILURES, RusticFailure, RusticStopped } from '../rustic/index.js';
import { asFailure, failureOf } from './failures.js';
import { AttemptFailed } from './operation.js';

const system = (code: string, cause?: unknown) => Object.assign(new Error(code, { cause }), { code });
const refused = (retry: boolean) => new Refused({ code: 'busy', detail: 'Later.', retry });
const rustic = (failureClass: keyof typeof FAILURES) =>
  new RusticFailure({ class: failureClass, canPass: FAILURES[failureClass].canPass, reason: '', stderrTail: '' });

describe('a failure is tried again', () => {
  it.each([
    ['when the storage is away or throttles', new ObjectStorageUnreachable('b/k', '503'), 'object-storage-unreachable'],
    ['when rustic says so of the storage', rustic('storage-throttled'), 'storage-throttled'],
    ['when nobody answers', new Unanswered('buckets.ask.h.confirm', undefined), 'unanswered'],
    ['when the control plane says: later', refused(true), 'busy'],
    ['when there is no memory', system('ENOMEM'), 'out-of-memory'],
    ['when no process can be made', system('EAGAIN'), 'out-of-memory'],
    ['when rustic stalls', new RusticStopped('stalled'), 'stalled'],
    ['when rustic takes too long', new RusticStopped('timed-out'), 'attempt-limit'],
    [
      'when nobody answered before the swap',
      new SwapNotConfirmedError('p', { cause: system('x') }),
      'swap-not-confirmed',
    ],
  ])('%s', (_, error, code) => {
    expect(asFailure(error)).toMatchObject({ code, options: { retry: true } });
  });
});

describe('a failure is final', () => {
  it.each([
    ['when the disk is full', system('ENOSPC'), 'disk-full'],
    ['when the quota is used up, wherever it comes up', new Error('x', { cause: system('EDQUOT') }), 'disk-full'],
    [
      'when a tool fails for want of space',
      new ToolFailedError('cp', 'x', false, { cause: system('ENOSPC') }),
      'disk-full',
    ],
    ['when a restore has no room', new NotEnoughSpaceError('bytes', 2, 1), 'not-enough-space'],
    ['when the clock is off', new ClockSkewed('b/k', 20 * 60_000), 'clock-skewed'],
    ['when the storage denies access', new ObjectStorageRefused('b/k', 'AccessDenied'), 'object-storage-refused'],
    ['when an object is not there', new ObjectNotFound('b/k'), 'object-not-found'],
    ['when the key is wrong', rustic('wrong-key'), 'wrong-key'],
    ['when the repository is damaged', new RepositoryCorrupt('index/x', 'cut'), 'repository-corrupt'],
    ['when the control plane says no', refused(false), 'busy'],
    [
      'when the control plane says no right before the swap',
      new SwapNotConfirmedError('p', { cause: refused(false) }),
      'swap-not-confirmed',
    ],
    ['when nobody knows what it is', new TypeError('x is not a function'), 'host-error'],
  ])('%s', (_, error, code) => {
    expect(asFailure(error)).toMatchObject({ code, options: { retry: false } });
  });

  it('and beyond the point of no return when a swap is stuck, whatever the reason', () => {
    const stuck = new SwitchStuckError('p', 'ENOSPC', { cause: system('ENOSPC') });
    expect(asFailure(stuck)).toMatchObject({ code: 'switch-stuck', options: { retry: false, halfDone: true } });
  });
});

describe('what a failure leaves behind', () => {
  it('is told when a process would not end', () => {
    expect(failureOf({ outcome: 'cancelled', leftBehind: 7 }).options.ending?.left).toEqual([
      expect.stringMatching('would not end'),
    ]);
  });

  it('is told of the clean-up that failed after it, too', () => {
    const cleanUp = new AttemptFailed('snapshot-not-removed', 'x', { retry: false, ending: { left: ['A snapshot.'] } });
    const both = new SuppressedError(cleanUp, new AttemptFailed('killed', 'y', { retry: true }));
    expect(asFailure(both)).toMatchObject({
      code: 'killed',
      options: { retry: true, ending: { left: ['A snapshot.'] } },
    });
  });
});
