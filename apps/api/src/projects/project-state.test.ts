import { describe, expect, it } from '@jest/globals';
import { operationEvent, OPERATION_KINDS, OUTCOMES, type NewEvent, type ProjectEvents } from '@buckets/contracts';
import { EVENT_CLASSES } from '@buckets/contracts';
import { backupToRestore, evolve } from './project-state.js';
import {
  AT,
  beganEvent,
  cancelRequestedEvent,
  created,
  event,
  given,
  HERE,
  logged,
  READY,
  recordedEvent,
  requestedEvent,
  snapshot,
} from './testing/given.js';

describe('the state of a project', () => {
  it('begins with nothing but what it was made with', () => {
    expect(given(event('created', { ...created, requestHash: 'h' }))).toEqual({
      ownerId: 'someone',
      regionId: 'zrh',
      bucketId: 'b1',
      ...HERE,
      createdAt: AT,
      requestHash: 'h',
      running: false,
      provisioned: false,
      hadData: false,
      operations: {},
      backups: {},
      lastBackupBegan: 0,
      lastOutsideChange: 0,
    });
  });

  it('does not begin with anything else, nor twice', () => {
    for (const each of logged([
      event('updated', { requestedBy: 'a' }),
      requestedEvent('o', 'stop'),
      recordedEvent(1),
    ])) {
      expect(evolve(null, each)).toBeNull();
    }
    const state = given(...READY);
    expect(evolve(state, logged([event('created', { ...created, ownerId: 'thief' })])[0]!)).toEqual(state);
  });

  it('holds open operations, with their attempts', () => {
    const asked = [...READY, requestedEvent('op-1', 'backup', { consistency: 'live' })];
    const open = { kind: 'backup', ...HERE, params: { consistency: 'live' }, requestedAt: AT };
    expect(given(...asked).operations).toEqual({ 'op-1': { ...open, attempts: 0 } });
    const begun = [...asked, beganEvent('op-1', 'backup', 'at-1')];
    expect(given(...begun).operations).toEqual({
      'op-1': { ...open, attempts: 1, attemptId: 'at-1', beganPosition: begun.length },
    });
    expect(given(...begun).lastBackupBegan).toBe(begun.length);
    for (const outcome of OUTCOMES) {
      expect(given(...begun, event(`backup-${outcome}`, { operationId: 'op-1' })).operations).toEqual({});
    }
  });

  it('knows since when an open operation is to be cancelled', () => {
    const asked = [...READY, requestedEvent('op-1', 'stop'), beganEvent('op-1', 'stop', 'at-1')];
    const [first, again] = logged([cancelRequestedEvent('op-1', 'stop'), cancelRequestedEvent('op-1', 'stop')], 9);
    const state = evolve(given(...asked), first!);
    expect(state!.operations['op-1']).toMatchObject({ cancelRequestedAt: AT, attempts: 1 });
    expect(evolve(state, { ...again!, time: '2032-01-01T00:00:00Z' })).toEqual(state);
    expect(evolve(given(...READY), first!)).toEqual(given(...READY));
  });

  it('knows which backup may be gone: a deletion of it has begun, and has not ended well', () => {
    const forget = [...READY, recordedEvent(1), requestedEvent('op-1', 'forget', { backupId: snapshot(1) })];
    const expired = event('forget-expired', { operationId: 'op-1' });
    const maybe = given(...forget, beganEvent('op-1', 'forget', 'at-1'), expired).backups[snapshot(1)];
    expect(maybe).toMatchObject({ maybeDeletedBy: 'op-1' });
    expect(given(...forget, expired).backups[snapshot(1)]).not.toHaveProperty('maybeDeletedBy');
  });

  it('takes no beginning of what is not open', () => {
    expect(given(...READY, beganEvent('op-9', 'backup', 'at-1'))).toEqual(given(...READY));
  });

  it('runs as the last start or stop has left it', () => {
    const start = event('start-succeeded', { operationId: 'op-1', running: true });
    const backup = event('backup-succeeded', { operationId: 'op-2' });
    const stop = event('stop-succeeded', { operationId: 'op-3', running: false });
    expect(given(...READY).running).toBe(false);
    expect(given(...READY, start, backup).running).toBe(true);
    expect(given(...READY, start, stop, backup).running).toBe(false);
    const late = event('runtime-changed', { operationId: 'op-4', running: true });
    expect(given(...READY, start, stop, late).running).toBe(true);
  });

  it('has data once its host of this generation has them', () => {
    const provisioned = (generation: number) =>
      event('provisioned', { operationId: 'o', generation, by: 'adopted', roots: ['project'] });
    const base = event('created', created);
    expect(given(base, provisioned(2))).toMatchObject({ provisioned: true, hadData: true });
    expect(given(base, provisioned(1))).toMatchObject({ provisioned: false, hadData: false });
  });

  it('knows its backups and its repository', () => {
    const state = given(...READY, recordedEvent(1, 'op-b', { partialBecause: ['shrunken'] }), recordedEvent(2));
    expect(state.backups).toEqual({
      [snapshot(1)]: { operationId: 'op-b', beganAt: AT, generation: 2, partialBecause: ['shrunken'] },
      [snapshot(2)]: { operationId: 'op-b', beganAt: AT, generation: 2, partialBecause: [] },
    });
    const deleted = event('backup-deleted', { backupId: snapshot(1), operationId: 'o' });
    expect(Object.keys(given(...READY, recordedEvent(1), recordedEvent(2), deleted).backups)).toEqual([snapshot(2)]);
    const initialised = event('repository-initialised', { configId: snapshot('a'), operationId: 'o' });
    expect(given(...READY, initialised).repositoryConfigId).toBe(snapshot('a'));
  });

  it('remembers the latest word on its freshness, and the latest change', () => {
    const stale = event('freshness-changed', {
      freshness: 'stale',
      staleSince: AT,
      reason: 'r',
      coveredBy: snapshot(1),
    });
    const fresh = event('freshness-changed', { freshness: 'fresh', reason: 'all there' });
    expect(given(...READY, stale).freshness).toEqual({
      freshness: 'stale',
      staleSince: AT,
      reason: 'r',
      coveredBy: snapshot(1),
    });
    expect(given(...READY, stale, fresh).freshness).toEqual({ freshness: 'fresh', reason: 'all there' });
    expect(given(...READY, event('changed', { source: 's', at: AT })).lastOutsideChange).toBe(READY.length + 1);
  });

  it.each(['updated', 'claim-rejected'] as const)('is not touched by %s', (type) => {
    const state = given(...READY);
    const [untouching] = logged([event(type, {} as ProjectEvents[typeof type])], 99);
    expect(evolve(state, untouching!)).toBe(state);
  });

  it('is never changed in place', () => {
    const freeze = <T>(value: T): T => {
      if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
      return value;
    };
    const events: NewEvent<'project'>[] = [
      requestedEvent('op-1', 'backup'),
      beganEvent('op-1', 'backup', 'at-1'),
      recordedEvent(1),
      event('backup-succeeded', { operationId: 'op-1' }),
      event('backup-deleted', { backupId: snapshot(1), operationId: 'o' }),
      event('changed', { source: 's', at: AT }),
    ];
    let state = freeze(given(...READY));
    for (const each of logged(events, 10)) state = freeze(evolve(state, each)!);
    expect(state.backups).toEqual({});
  });

  it('knows every step of every operation by its event', () => {
    expect(operationEvent('backup-began')).toEqual({ kind: 'backup', step: 'began' });
    expect(operationEvent('backup-recorded')).toBeNull();
    expect(operationEvent('constructor')).toBeNull();
    const steps = Object.keys(EVENT_CLASSES.project).filter((type) => operationEvent(type) !== null);
    expect(steps).toHaveLength(OPERATION_KINDS.length * (3 + OUTCOMES.length));
  });
});

describe('the backup that the product chooses', () => {
  const at = (hour: number) => `2031-01-01T${String(hour).padStart(2, '0')}:00:00Z`;
  const backup = (digit: number, changes: Parameters<typeof recordedEvent>[2]) => recordedEvent(digit, 'op-b', changes);

  it('is the newest by the moment it began', () => {
    const state = given(
      ...READY,
      backup(1, { beganAt: at(9) }),
      backup(2, { beganAt: at(11) }),
      backup(3, { beganAt: at(10) }),
    );
    expect(backupToRestore(state)).toBe(snapshot(2));
    expect(backupToRestore(given(...READY))).toBeNull();
  });

  it('may be one of which nobody knows whether it lacks files', () => {
    const state = given(
      ...READY,
      backup(1, { beganAt: at(1) }),
      backup(2, { beganAt: at(2), partialBecause: ['unwitnessed'] }),
      backup(3, { beganAt: at(3), partialBecause: ['unwitnessed', 'shrunken'] }),
    );
    expect(backupToRestore(state)).toBe(snapshot(2));
  });

  it('may lack files that could not be read, and nothing else', () => {
    const state = given(
      ...READY,
      backup(1, { beganAt: at(1) }),
      backup(2, { beganAt: at(2), partialBecause: ['unreadable-files'] }),
      backup(3, { beganAt: at(3), partialBecause: ['empty'] }),
      backup(4, { beganAt: at(4), partialBecause: ['unreadable-files', 'shrunken'] }),
    );
    expect(backupToRestore(state)).toBe(snapshot(2));
  });

  it('is of the latest assignment, whatever the clock of an earlier host said', () => {
    const counter = (generation: number) => ({ generation, epoch: 'e', n: 1 });
    const state = given(
      ...READY,
      backup(1, { beganAt: at(23), counter: counter(1) }),
      backup(2, { beganAt: at(2), counter: counter(2) }),
      backup(3, { beganAt: at(1), counter: counter(2) }),
    );
    expect(backupToRestore(state)).toBe(snapshot(2));
  });

  it('is none that is being deleted', () => {
    const forget = requestedEvent('op-1', 'forget', { backupId: snapshot(2) });
    const state = given(...READY, backup(1, { beganAt: at(1) }), backup(2, { beganAt: at(2) }), forget);
    expect(backupToRestore(state)).toBe(snapshot(1));
  });
});
