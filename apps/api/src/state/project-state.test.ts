import { describe, expect, it } from '@jest/globals';
import {
  operationEvent,
  OPERATION_KINDS,
  OUTCOMES,
  type NewEvent,
  type PartialReason,
  type ProjectEvents,
} from '@buckets/contracts';
import { EVENT_CLASSES } from '@buckets/contracts';
import { grantedBackups } from '../project-decisions/granted-backups.js';
import { backupToRestore, undecided } from './backups-at-hand.js';
import { evolve } from './project-state.js';
import {
  AT,
  backedUp,
  backupsAfter,
  beganEvent,
  cancelRequestedEvent,
  created,
  doubted,
  event,
  folded,
  given,
  HERE,
  logged,
  READY,
  recordedEvent,
  requestedEvent,
  snapshot,
} from './testing/given.js';

describe('a restore or a start that names a backup', () => {
  const damaged = event('backups-damaged', { backupIds: [snapshot(1)], operationId: 'op-v' });
  const healed = event('backups-healed', { backupIds: [snapshot(1)], operationId: 'op-v' });
  const granted = (kind: 'restore' | 'start' | 'forget', ...before: NewEvent<'project'>[]) => {
    const asked = requestedEvent('op-r', kind, { backupId: snapshot(1) });
    const project = given(...READY, ...backedUp(1), ...before, asked, damaged);
    return grantedBackups(project, project.operations['op-r']!);
  };
  it('wants a damaged one where that was known when it was asked for, and not where it is found out later', () => {
    for (const kind of ['restore', 'start'] as const) {
      expect(granted(kind, damaged)).toMatchObject({ damagedBackups: [snapshot(1)] });
      expect(granted(kind)).not.toHaveProperty('damagedBackups');
      expect(granted(kind, damaged, healed)).not.toHaveProperty('damagedBackups');
    }
    expect(granted('forget', damaged)).toEqual({});
  });
});

describe('the state of a project', () => {
  it('begins with nothing but what it was made with', () => {
    expect(folded(event('created', { ...created, requestHash: 'h' }))).toEqual({
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
    const state = folded(...READY);
    expect(evolve(state, logged([event('created', { ...created, ownerId: 'thief' })])[0]!)).toEqual(state);
  });

  it('holds open operations, with their attempts', () => {
    const asked = [...READY, requestedEvent('op-1', 'backup', { consistency: 'live' })];
    const open = {
      ...{ kind: 'backup', ...HERE, params: { consistency: 'live' } },
      ...{ requestedAt: AT, requestedPosition: asked.length },
    };
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
    const state = evolve(folded(...asked), first!);
    expect(state!.operations['op-1']).toMatchObject({ cancelRequestedAt: AT, attempts: 1 });
    expect(evolve(state, { ...again!, time: '2032-01-01T00:00:00Z' })).toEqual(state);
    expect(evolve(folded(...READY), first!)).toEqual(folded(...READY));
  });

  it('knows which backup may be gone: a deletion of it has begun, and has not ended well', () => {
    const forget = [...READY, recordedEvent(1), requestedEvent('op-1', 'forget', { backupId: snapshot(1) })];
    const expired = event('forget-expired', { operationId: 'op-1' });
    const maybe = backupsAfter(...forget, beganEvent('op-1', 'forget', 'at-1'), expired)[snapshot(1)];
    expect(maybe).toMatchObject({ maybeDeletedBy: 'op-1' });
    expect(backupsAfter(...forget, expired)[snapshot(1)]).not.toHaveProperty('maybeDeletedBy');
    // Its host has looked: it is there.
    const cancelled = (code?: string) => {
      const data = { operationId: 'op-1', ...(code === undefined ? {} : { code }) };
      return backupsAfter(...forget, beganEvent('op-1', 'forget', 'at-1'), event('forget-cancelled', data))[
        snapshot(1)
      ];
    };
    expect(cancelled()).not.toHaveProperty('maybeDeletedBy');
    expect(cancelled('cancel-unanswered')).toHaveProperty('maybeDeletedBy');
  });

  it('takes no beginning of what is not open', () => {
    expect(folded(...READY, beganEvent('op-9', 'backup', 'at-1'))).toEqual(folded(...READY));
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
    const all = [...READY, recordedEvent(1, 'op-b', { partialBecause: ['shrunken'] }), ...backedUp(2)];
    const known = (digit: number, position: number) => ({
      ...{ id: snapshot(digit), recordedPosition: READY.length + position, partialBecause: [] },
    });
    expect(backupsAfter(...all)).toEqual({
      [snapshot(1)]: { ...known(1, 1), operationId: 'op-b', beganPosition: 0, partialBecause: ['shrunken'] },
      [snapshot(2)]: { ...known(2, 4), operationId: 'op-b2', beganPosition: READY.length + 3 },
    });
    const deleted = event('backup-deleted', { backupId: snapshot(1), operationId: 'o' });
    expect(Object.keys(backupsAfter(...READY, recordedEvent(1), recordedEvent(2), deleted))).toEqual([snapshot(2)]);
    const initialised = event('repository-initialised', { configId: snapshot('a'), operationId: 'o' });
    expect(given(...READY, initialised).repositoryConfigId).toBe(snapshot('a'));
  });

  it('knows where a backup was first allowed to begin, however late and by which attempt it is told of', () => {
    const began = [...READY, requestedEvent('op-1', 'backup'), beganEvent('op-1', 'backup', 'at-1')];
    const again = [...began, beganEvent('op-1', 'backup', 'at-2', 2)];
    const expired = event('backup-expired', { operationId: 'op-1' });
    const positionAfter = (...events: NewEvent<'project'>[]) =>
      backupsAfter(...events, recordedEvent(1, 'op-1'))[snapshot(1)]!.beganPosition;
    expect(positionAfter(...began)).toBe(began.length);
    expect(positionAfter(...again)).toBe(began.length);
    expect(positionAfter(...again, expired)).toBe(began.length);
    const succeeded = event('backup-succeeded', { operationId: 'op-1' });
    const second = [...again, recordedEvent(1, 'op-1'), succeeded, recordedEvent(2, 'op-1')];
    expect(backupsAfter(...second)[snapshot(2)]!.beganPosition).toBe(began.length);
    expect(folded(...second)).not.toHaveProperty('ended');
    const later = Array.from({ length: 30 }, (_, n) => backedUp(`c${n}`)).flat();
    const third = [...again, recordedEvent(1, 'op-1'), succeeded, ...later, recordedEvent(2, 'op-1')];
    expect(backupsAfter(...third)[snapshot(2)]!.beganPosition).toBe(began.length);
  });

  it('remembers of ended operations without a backup only the last ones', () => {
    const failed = Array.from({ length: 30 }, (_, n) => [
      requestedEvent(`op-${n}`, 'backup'),
      beganEvent(`op-${n}`, 'backup', `at-${n}`),
      event('backup-failed', { operationId: `op-${n}` }),
    ]).flat();
    const { ended } = given(...READY, ...failed);
    expect(ended).toHaveLength(20);
    expect(ended!.at(-1)).toEqual({ operationId: 'op-29', beganPosition: READY.length + 89 });
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
    const state = folded(...READY);
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
    let state = freeze(folded(...READY));
    for (const each of logged(events, 10)) state = freeze(evolve(state, each)!);
    expect(state.deleted).toEqual([snapshot(1)]);
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
  const chosen = (...events: NewEvent<'project'>[]) => backupToRestore(given(...READY, ...events));

  it('is the newest by the position at which it was allowed to begin', () => {
    expect(chosen()).toBeNull();
    expect(chosen(...backedUp(1), ...backedUp(2))).toBe(snapshot(2));
    // Told of after a later one: its host was away.
    const late = [requestedEvent('op-1', 'backup'), beganEvent('op-1', 'backup', 'at-1')];
    const expired = event('backup-expired', { operationId: 'op-1' });
    expect(chosen(...late, expired, ...backedUp(2), recordedEvent(1, 'op-1'))).toBe(snapshot(2));
  });

  it.each([
    ['a day ahead', '2031-01-02T12:00:00Z', '2031-01-01T18:00:00Z'],
    ['set back since', '2031-01-01T12:00:00Z', '1970-01-01T00:00:00Z'],
  ])('is the same whatever the clock of its host said: %s', (_, first, second) => {
    expect(chosen(...backedUp(1, { beganAt: first }), ...backedUp(2, { beganAt: second }))).toBe(snapshot(2));
  });

  it('may be one of which nobody knows whether it lacks files', () => {
    const unsure = backedUp(2, { partialBecause: ['unwitnessed'] });
    expect(chosen(...backedUp(1), ...unsure, ...backedUp(3, { partialBecause: ['unwitnessed', 'shrunken'] }))).toBe(
      snapshot(2),
    );
  });

  it('may lack files that could not be read, and nothing else', () => {
    expect(
      chosen(
        ...backedUp(1),
        ...backedUp(2, { partialBecause: ['unreadable-files'] }),
        ...backedUp(3, { partialBecause: ['empty'] }),
        ...backedUp(4, { partialBecause: ['unreadable-files', 'shrunken'] }),
      ),
    ).toBe(snapshot(2));
  });

  it('may be small once it is accepted, and lacks what it lacked besides', () => {
    const small = backedUp(2, { partialBecause: ['unreadable-files', 'empty'] });
    const accepted = event('backup-accepted', { backupId: snapshot(2), because: 'asked-for', requestedBy: 'a' });
    expect(chosen(...backedUp(1), ...small, accepted)).toBe(snapshot(2));
    const backups = backupsAfter(...READY, ...backedUp(1), ...small, accepted);
    expect(backups[snapshot(2)]!.partialBecause).toEqual(['unreadable-files']);
    expect(folded(...READY, accepted)).toEqual(folded(...READY));
  });

  it('is none that is being deleted', () => {
    const forget = requestedEvent('op-1', 'forget', { backupId: snapshot(2) });
    expect(chosen(...backedUp(1), ...backedUp(2), forget)).toBe(snapshot(1));
  });

  it('is none that a deletion may have removed, until it is found', () => {
    expect(chosen(...backedUp(1), ...backedUp(2), ...doubted(2))).toBe(snapshot(1));
    const found = event('backup-found', { backupId: snapshot(2), operationId: 'op-t' });
    expect(chosen(...backedUp(1), ...backedUp(2), ...doubted(2), found)).toBe(snapshot(2));
  });
});

describe('what somebody has to choose from before data are restored', () => {
  const choices = (...events: NewEvent<'project'>[]) => undecided(given(...READY, ...events));
  const small = (digit: number) => backedUp(digit, { partialBecause: ['shrunken'] });

  it('is the last good backup and the newest one, where that is flagged', () => {
    expect(choices(...backedUp(1), ...small(2), ...small(3))).toEqual({
      older: { backupId: snapshot(1) },
      newer: { backupId: snapshot(3), partialBecause: ['shrunken'] },
    });
  });

  it.each([
    ['there is no backup', []],
    ['the newest one is good', [...backedUp(1), ...small(2), ...backedUp(3)]],
    ['there is no good one', [...small(1), ...small(2)]],
    ['the flagged one may be gone', [...backedUp(1), ...small(2), ...doubted(2)]],
    ['the good one may be gone', [...backedUp(1), ...small(2), ...doubted(1)]],
    [
      'the flagged one is being deleted',
      [...backedUp(1), ...small(2), requestedEvent('op-1', 'forget', { backupId: snapshot(2) })],
    ],
  ])('is nothing where %s', (_, events) => {
    expect(choices(...events)).toBeNull();
  });
});

describe('a project that was found suddenly shrunken', () => {
  const REASONS: Record<'good' | 'empty' | 'unreadable', PartialReason[]> = {
    good: [],
    empty: ['empty'],
    unreadable: ['unreadable-files', 'shrunken'],
  };
  const run = (...sizes: (number | keyof typeof REASONS)[]) => {
    const backups = sizes.flatMap((size, index) =>
      typeof size === 'number'
        ? backedUp(index, { bytes: size, partialBecause: ['shrunken'] })
        : backedUp(index, { partialBecause: REASONS[size] }),
    );
    return given(...READY, ...backups).small;
  };

  it.each([
    [[100], { backups: 1, bytes: 100 }],
    [[100, 200, 101], { backups: 3, bytes: 101 }],
    [[100, 201], { backups: 1, bytes: 201 }],
    [[100, 49], { backups: 1, bytes: 49 }],
    [[0, 0], { backups: 2, bytes: 0 }],
    [[0, 1], { backups: 1, bytes: 1 }],
    [[100, 'good', 100], { backups: 1, bytes: 100 }],
    [[100, 'unreadable', 100], { backups: 1, bytes: 100 }],
    [[100, 'empty'], undefined],
    [[100, 'good'], undefined],
  ] as const)('was so in a row, after %j: %j', (sizes, expected) => {
    expect(run(...sizes)).toEqual(expected);
  });

  it('is as it was when a backup is told of that had begun before', () => {
    const late = [
      requestedEvent('op-l', 'backup'),
      beganEvent('op-l', 'backup', 'at-l'),
      event('backup-expired', { operationId: 'op-l' }),
    ];
    const told = recordedEvent(9, 'op-l', { bytes: 7, partialBecause: ['shrunken'] });
    const small = [...late, ...backedUp(1, { bytes: 100, partialBecause: ['shrunken'] })];
    expect(given(...READY, ...small, told).small).toEqual({ backups: 1, bytes: 100 });
    expect(given(...READY, ...small, recordedEvent(9, 'op-l')).small).toEqual({ backups: 1, bytes: 100 });
  });
});
