import { describe, expect, it } from '@jest/globals';
import { encode, envelope, intentTypeName, readIntent } from '@buckets/contracts';
import {
  AT,
  beganEvent,
  cancelRequestedEvent,
  event,
  expectRejection,
  given,
  HERE,
  READY,
  requestedEvent,
  said,
} from '../state/testing/given.js';
import { beginAttempt } from './attempt.js';
import { cancelOperation } from './cancel-operation.js';

const cancel = (...events: typeof READY) =>
  cancelOperation(given(...events), 'p1', {
    operationId: 'op-1',
    at: AT,
    by: { requestedBy: 'key/k1', requestHash: 'h' },
  });
const asked = [...READY, requestedEvent('op-1', 'backup')];
const begun = [...asked, beganEvent('op-1', 'backup', 'at-1')];
const wish = event('backup-cancel-requested', { operationId: 'op-1', requestedBy: 'key/k1', requestHash: 'h' });

describe('the cancel of an operation', () => {
  it('ends at once what has not begun, and says who wanted it', () => {
    const { events, intents } = cancel(...asked);
    expect(events).toEqual([
      wish,
      event('backup-cancelled', { operationId: 'op-1', reason: expect.any(String) as unknown as string }),
    ]);
    expect(intents).toEqual([]);
    const attempt = { ...HERE, operationId: 'op-1', attemptId: 'at-1' };
    expectRejection(() => beginAttempt(given(...asked, ...events), 'p1', attempt), 'operation-ended', 409);
  });

  it('is handed to the host of what has begun, whose word ends it', () => {
    const { events, intents } = cancel(...begun);
    expect(events).toEqual([wish]);
    expect(intents).toEqual([
      {
        kind: 'cancel',
        hostId: 'h1',
        projectId: 'p1',
        data: { operationId: 'op-1', generation: 2, requestedAt: AT },
      },
    ]);
    const fields = { source: 's', type: intentTypeName('cancel'), subject: 'host/h1/project/p1' };
    expect(readIntent('buckets.intent.h1.p1.cancel', encode(envelope(fields, intents[0]!.data)))).toMatchObject(
      intents[0]!,
    );
    expect(given(...begun, ...events).operations['op-1']).toMatchObject({ cancelRequestedAt: AT, attempts: 1 });
  });

  it('changes nothing when it is asked for again', () => {
    expect(said(cancel(...begun, cancelRequestedEvent('op-1', 'backup')))).toEqual([]);
  });

  it('comes too late for what has ended, or is not there', () => {
    const ended = event('backup-succeeded', { operationId: 'op-1' });
    expectRejection(() => cancel(...begun, ended), 'operation-ended', 409);
    expectRejection(() => cancel(...READY), 'operation-ended', 409);
    const command = { operationId: 'op-1', at: AT, by: { requestedBy: 'admin' } };
    expectRejection(() => cancelOperation(null, 'p1', command), 'project-not-found', 404);
  });
});
