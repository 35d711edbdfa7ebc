import { describe, expect, it } from '@jest/globals';
import type { NewEvent, OperationEndedClaim, OperationKind } from '@buckets/contracts';
import {
  beganEvent,
  cancelRequestedEvent,
  claim,
  created,
  event,
  given,
  HERE,
  READY,
  record,
  recordedEvent,
  requestedEvent,
  said,
  snapshot,
} from '../testing/given.js';
import { endOperation } from './end-operation.js';

const open = (kind: OperationKind, params: Record<string, unknown> = {}): NewEvent<'project'>[] => [
  ...READY,
  requestedEvent('op-1', kind, params),
  beganEvent('op-1', kind, 'at-1'),
];
const decide = (events: readonly NewEvent<'project'>[], about: OperationEndedClaim, hostId = HERE.hostId) =>
  endOperation(given(...events), hostId, about);
const backup = claim({ kind: 'backup', backup: record(1, 'op-1') });
const provisioned = { operationId: 'op-1', generation: 2, by: 'restored' as const, roots: ['project' as const] };

describe('a claim of the attempt that has the say', () => {
  it('ends its operation, with all that there is to tell', () => {
    const about = { code: 'c', reason: 'sealed:1:r', result: { backupId: snapshot(1) }, running: true };
    expect(decide(open('start'), claim({ kind: 'start', outcome: 'failed', ...about })).events).toEqual([
      event('start-failed', { operationId: 'op-1', attempt: 1, ...about }),
    ]);
    expect(decide(open('stop'), claim({ kind: 'stop', running: false })).events).toEqual([
      event('stop-succeeded', { operationId: 'op-1', attempt: 1, running: false }),
    ]);
  });

  it('ends it as cancelled where somebody has asked for that, and says what was left', () => {
    const cancelled = claim({ kind: 'restore', outcome: 'cancelled', left: ['Nothing.'] });
    const asked = [...open('restore'), cancelRequestedEvent('op-1', 'restore')];
    expect(decide(asked, cancelled).events).toEqual([
      event('restore-cancelled', { operationId: 'op-1', attempt: 1, left: ['Nothing.'] }),
    ]);
    // What was done already came before the cancel.
    expect(said(decide(asked, claim({ kind: 'restore', provisioned })))).toEqual(['provisioned', 'restore-succeeded']);
  });

  it('records the backup that it made, whole or partial', () => {
    expect(decide(open('backup'), backup).events).toEqual([
      event('backup-recorded', { ...backup.backup!, hostId: 'h1' }),
      event('backup-succeeded', { operationId: 'op-1', attempt: 1 }),
    ]);
    const partial = record(1, 'op-1', { partialBecause: ['empty'] });
    expect(said(decide(open('backup'), claim({ kind: 'backup', outcome: 'partial', backup: partial })))).toEqual([
      'backup-recorded',
      'backup-partial',
    ]);
    expect(said(decide(open('backup'), claim({ kind: 'backup', outcome: 'failed' })))).toEqual(['backup-failed']);
  });

  it('records a backup that exists even where its operation has failed', () => {
    expect(said(decide(open('backup'), { ...backup, outcome: 'failed' }))).toEqual([
      'backup-recorded',
      'backup-failed',
    ]);
  });

  it('states that the data are there, whether or not all went well', () => {
    for (const kind of ['provision', 'restore', 'start'] as const) {
      for (const outcome of ['succeeded', 'partial', 'failed'] as const) {
        const verdict = decide(open(kind), claim({ kind, outcome, provisioned }));
        expect(said(verdict)).toEqual(['provisioned', `${kind}-${outcome}`]);
        expect(verdict.events[0]!.data).toEqual(provisioned);
      }
    }
  });

  it('states that a backup is gone once its deletion has succeeded', () => {
    const events = [recordedEvent(1), ...open('forget', { backupId: snapshot(1) })];
    const known = [...READY, ...events.filter(({ type }) => !READY.some((ready) => ready.type === type))];
    expect(decide(known, claim({ kind: 'forget' })).events).toEqual([
      event('backup-deleted', { backupId: snapshot(1), operationId: 'op-1' }),
      event('forget-succeeded', { operationId: 'op-1', attempt: 1 }),
    ]);
    expect(said(decide(known, claim({ kind: 'forget', outcome: 'failed' })))).toEqual(['forget-failed']);
    expect(said(decide(open('forget', { backupId: snapshot(2) }), claim({ kind: 'forget' })))).toEqual([
      'forget-succeeded',
    ]);
  });
});

describe('a claim that comes late or again', () => {
  it('records the backup that exists, once, and leaves the ended operation as it is', () => {
    const expired = [...open('backup'), event('backup-expired', { operationId: 'op-1' })];
    const late = decide(expired, backup);
    expect(said(late)).toEqual(['backup-recorded']);
    expect(said(decide([...expired, ...late.events], backup))).toEqual([]);
    const deleted = event('backup-deleted', { backupId: snapshot(1), operationId: 'op-2' });
    expect(said(decide([...expired, ...late.events, deleted], backup))).toEqual([]);
  });

  it('changes nothing more when it is repeated', () => {
    const first = decide(open('backup'), backup);
    expect(said(decide([...open('backup'), ...first.events], backup))).toEqual([]);
  });

  it('of an overtaken attempt records its backup and ends nothing', () => {
    const later = [...open('backup'), beganEvent('op-1', 'backup', 'at-2', 2)];
    expect(said(decide(later, backup))).toEqual(['backup-recorded']);
    expect(said(decide(later, claim({ kind: 'backup', outcome: 'failed' })))).toEqual([]);
    const start = [...open('start'), beganEvent('op-1', 'start', 'at-2', 2)];
    expect(said(decide(start, claim({ kind: 'start', running: true, provisioned })))).toEqual([]);
  });

  const expired = (kind: OperationKind, params?: Record<string, unknown>) => [
    ...open(kind, params),
    event(`${kind}-expired`, { operationId: 'op-1' }),
  ];

  it('states that the data are there', () => {
    const lost = [event('created', created), ...expired('restore').slice(READY.length)];
    expect(said(decide(lost, claim({ kind: 'restore', provisioned })))).toEqual(['provisioned']);
    expect(said(decide(expired('restore'), claim({ kind: 'restore', provisioned })))).toEqual(['provisioned']);
  });

  it('states once that the data are there, and nothing of data that others have brought since', () => {
    const late = claim({ kind: 'restore', provisioned });
    const { events } = decide(expired('restore'), late);
    expect(said(decide([...expired('restore'), ...events], late))).toEqual([]);
    const since = [requestedEvent('op-2', 'restore'), beganEvent('op-2', 'restore', 'at-2')];
    expect(said(decide([...expired('restore'), ...since], late))).toEqual([]);
  });

  it('states that the project runs, or does not', () => {
    const late = claim({ kind: 'start', running: true });
    const { events } = decide(expired('start'), late);
    expect(events).toEqual([event('runtime-changed', { operationId: 'op-1', running: true })]);
    expect(given(...expired('start'), ...events).running).toBe(true);
    expect(said(decide([...expired('start'), ...events], late))).toEqual([]);
    expect(said(decide(expired('stop'), claim({ kind: 'stop', running: false })))).toEqual([]);
  });

  it('says nothing of what runs once another start or stop has begun', () => {
    const since = [requestedEvent('op-2', 'stop'), beganEvent('op-2', 'stop', 'at-2')];
    expect(said(decide([...expired('start'), ...since], claim({ kind: 'start', running: true })))).toEqual([]);
    const ended = event('stop-succeeded', { operationId: 'op-2', running: false });
    expect(said(decide([...expired('start'), ...since, ended], claim({ kind: 'start', running: true })))).toEqual([]);
  });

  it('states that a backup is gone', () => {
    const forget = (...events: NewEvent<'project'>[]) => [
      ...READY,
      recordedEvent(1),
      requestedEvent('op-1', 'forget', { backupId: snapshot(1) }),
      ...events,
      event('forget-expired', { operationId: 'op-1' }),
    ];
    const late = claim({ kind: 'forget', result: { backupId: snapshot(1) } });
    const began = beganEvent('op-1', 'forget', 'at-1');
    const { events } = decide(forget(began), late);
    expect(events).toEqual([event('backup-deleted', { backupId: snapshot(1), operationId: 'op-1' })]);
    expect(said(decide([...forget(began), ...events], late))).toEqual([]);
    expect(said(decide(forget(began), { ...late, outcome: 'failed' }))).toEqual([]);
    expect(said(decide(forget(began), { ...late, operationId: 'op-9' }))).toEqual([]);
    expect(said(decide(forget(), late))).toEqual([]);
  });

  it('does not end again what was ended for want of an answer to a cancel', () => {
    const cancelled = [
      ...open('backup'),
      cancelRequestedEvent('op-1', 'backup'),
      event('backup-cancelled', { operationId: 'op-1', code: 'cancel-unanswered' }),
    ];
    expect(said(decide(cancelled, claim({ kind: 'backup', outcome: 'cancelled' })))).toEqual([]);
    expect(said(decide(cancelled, backup))).toEqual(['backup-recorded']);
  });

  it('for an attempt that never began ends nothing', () => {
    const asked = [...READY, requestedEvent('op-1', 'stop')];
    expect(said(decide(asked, claim({ kind: 'stop', running: false })))).toEqual([]);
  });

  it('for a project that is not there is nothing', () => {
    expect(said(endOperation(null, 'h1', backup))).toEqual([]);
  });
});

describe('a claim without a say', () => {
  it.each<[string, OperationEndedClaim, string]>([
    ['another host', backup, 'h2'],
    ['an earlier generation', { ...backup, generation: 1 }, 'h1'],
    ['a later generation', { ...backup, generation: 3 }, 'h1'],
  ])('changes nothing, which is stated: %s', (_, about, hostId) => {
    const { events, intents } = decide(open('backup'), about, hostId);
    expect(events).toEqual([
      event('claim-rejected', {
        hostId,
        claim: 'backup-succeeded',
        operationId: 'op-1',
        reason: 'the project belongs to generation 2 on another assignment',
      }),
    ]);
    expect(intents).toEqual([]);
  });
});

describe('a claim against all sense', () => {
  const impossible: [string, OperationKind, Partial<OperationEndedClaim>][] = [
    ['of another kind', 'start', { kind: 'stop' }],
    ['that time is up', 'stop', { kind: 'stop', outcome: 'expired' }],
    ['of a cancel that nobody asked for', 'stop', { kind: 'stop', outcome: 'cancelled' }],
    ['of a backup from a restore', 'restore', { kind: 'restore', backup: record(1, 'op-1') }],
    ['of a backup of another operation', 'backup', { kind: 'backup', backup: record(1, 'op-2') }],
    [
      'of a backup of another generation',
      'backup',
      { kind: 'backup', backup: record(1, 'op-1', { counter: { generation: 1, epoch: 'e', n: 0 } }) },
    ],
    ['of success without a backup', 'backup', { kind: 'backup' }],
    ['of a part without a backup', 'backup', { kind: 'backup', outcome: 'partial' }],
    [
      'of success with a partial backup',
      'backup',
      { kind: 'backup', backup: record(1, 'op-1', { partialBecause: ['empty'] }) },
    ],
    ['of a partial backup that is whole', 'backup', { kind: 'backup', outcome: 'partial', backup: record(1, 'op-1') }],
    ['of data that a stop brought', 'stop', { kind: 'stop', provisioned }],
    ['of data of another operation', 'start', { kind: 'start', provisioned: { ...provisioned, operationId: 'op-2' } }],
    ['of data of another generation', 'start', { kind: 'start', provisioned: { ...provisioned, generation: 1 } }],
    ['of a project that a backup started', 'backup', { ...backup, running: true }],
  ];

  it.each(impossible)('fails the operation rather than leave it open: %s', (_, kind, about) => {
    const { events } = decide(open(kind), claim({ kind, ...about }));
    expect(events.map(({ type }) => type)).toEqual(['claim-rejected', `${kind}-failed`]);
    expect(events[1]!.data).toMatchObject({ operationId: 'op-1', code: 'impossible-claim' });
  });

  it.each(impossible)('is only rejected where it does not have the say: %s', (_, kind, about) => {
    expect(said(decide(open(kind), claim({ kind, ...about, attemptId: 'at-9' })))).toEqual(['claim-rejected']);
  });
});
