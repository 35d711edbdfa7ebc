import { describe, expect, it } from '@jest/globals';
import type {
  BackupRecord,
  NewEvent,
  OperationEndedClaim,
  OperationKind,
  ReplacedData,
  RestoreResult,
} from '@buckets/contracts';
import { backupToRestore } from '../state/backups-at-hand.js';
import type { ProjectState } from '../state/project-state.js';
import { WholeProject } from '../state/testing/all-backups.js';
import {
  AT,
  backedUp,
  backupsAfter,
  backupsInDoubt,
  beganEvent,
  cancelRequestedEvent,
  claim,
  created,
  doubted,
  event,
  given,
  HERE,
  logged,
  READY,
  record,
  recordedEvent,
  requestedEvent,
  said,
  snapshot,
} from '../state/testing/given.js';
import { endOperation } from './end-operation.js';

const open = (kind: OperationKind, params: Record<string, unknown> = {}): NewEvent<'project'>[] => [
  ...READY,
  requestedEvent('op-1', kind, params),
  beganEvent('op-1', kind, 'at-1'),
];
const decide = (events: readonly NewEvent<'project'>[], about: OperationEndedClaim, hostId = HERE.hostId) =>
  endOperation(given(...events), hostId, about);
/** A project after these events, folded by a version that did not note what held its data, and how far. */
const projectOfEarlierVersion = (events: readonly NewEvent<'project'>[]): WholeProject => {
  const project = WholeProject.after(logged(events));
  const { held: _held, ...state } = project.state!;
  const operations = Object.entries(state.operations).map(([id, { before: _before, ...open }]) => [id, open]);
  project.state = { ...state, operations: Object.fromEntries(operations) as ProjectState['operations'] };
  return project;
};
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

describe('a backup of a project that was made smaller', () => {
  const small = (digit: number, bytes: number, more: Partial<BackupRecord> = {}) =>
    record(digit, 'op-1', { bytes, partialBecause: ['shrunken'], ...more });
  const next = (before: NewEvent<'project'>[], backup: BackupRecord) => {
    const asked = [requestedEvent('op-1', 'backup'), beganEvent('op-1', 'backup', 'at-1')];
    return decide([...READY, ...before, ...asked], claim({ kind: 'backup', outcome: 'partial', backup }));
  };
  const before = (...sizes: number[]) => [
    ...backedUp(7, { bytes: 10_000 }),
    ...sizes.flatMap((bytes, index) => backedUp(index, { bytes, partialBecause: ['shrunken'] })),
  ];

  it('is how the project is now when it is the third in a row that is about as small', () => {
    expect(said(next(before(), small(3, 100)))).toEqual(['backup-recorded', 'backup-partial']);
    expect(said(next(before(100), small(3, 100)))).toEqual(['backup-recorded', 'backup-partial']);
    expect(next(before(100, 90), small(3, 110)).events.slice(0, 2)).toEqual([
      event('backup-recorded', { ...small(3, 110), hostId: 'h1' }),
      event('backup-accepted', { backupId: snapshot(3), because: 'stayed-small' }),
    ]);
  });

  it.each([
    ['it keeps getting smaller', before(900, 400), small(3, 150)],
    ['it is empty', before(100, 100), small(3, 0, { partialBecause: ['empty'] })],
    [
      'not all of it could be read',
      before(100, 100),
      small(3, 100, { partialBecause: ['unreadable-files', 'shrunken'] }),
    ],
    ['nobody saw what could be read', before(100, 100), small(3, 100, { partialBecause: ['unwitnessed', 'shrunken'] })],
    ['it was large in between', [...before(100, 100), ...backedUp(8, { bytes: 10_000 })], small(3, 100)],
  ])('is still flagged where %s', (_, events, backup) => {
    expect(said(next(events, backup))).toEqual(['backup-recorded', 'backup-partial']);
  });

  it('moves what later ones are compared with, and what a start restores', () => {
    const begun = [requestedEvent('op-1', 'backup'), beganEvent('op-1', 'backup', 'at-1')];
    const { events } = next(before(100, 100), small(3, 100));
    const state = given(...READY, ...before(100, 100), ...begun, ...events);
    expect(backupToRestore(state)).toBe(snapshot(3));
    expect(state).not.toHaveProperty('small');
  });
});

describe('a look for backups that a deletion may have removed', () => {
  const doubtful = [...READY, ...backedUp(1), ...backedUp(2), ...backedUp(3), ...doubted(1), ...doubted(2)];
  const look = [...doubtful, requestedEvent('op-1', 'tidy'), beganEvent('op-1', 'tidy', 'at-1')];
  const told = (there: number[], gone: number[], more: Partial<OperationEndedClaim> = {}) =>
    decide(
      look,
      claim({ kind: 'tidy', result: { lookedFor: { there: there.map(snapshot), gone: gone.map(snapshot) } }, ...more }),
    ).events.slice(0, -1);

  it('settles it either way', () => {
    const events = told([1], [2]);
    expect(events).toEqual([
      event('backup-deleted', { backupId: snapshot(2), operationId: 'op-f2' }),
      event('backup-found', { backupId: snapshot(1), operationId: 'op-1' }),
    ]);
    expect(Object.keys(backupsAfter(...look, ...events))).toEqual([snapshot(1), snapshot(3)]);
    expect(backupsInDoubt(given(...look, ...events))).toEqual([]);
  });

  it('says nothing of backups that nobody doubts, that are not known, or of which it says both', () => {
    expect(told([3], [9])).toEqual([]);
    expect(told([9], [3])).toEqual([]);
    expect(told([1], [1])).toEqual([]);
    expect(told([2, 2], [])).toHaveLength(1);
  });

  it('is no other operation', () => {
    const result = { lookedFor: { there: [snapshot(1)], gone: [] } };
    const stop = [...doubtful, requestedEvent('op-1', 'stop'), beganEvent('op-1', 'stop', 'at-1')];
    expect(said(decide(stop, claim({ kind: 'stop', running: false, result })))).toEqual(['stop-succeeded']);
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

describe('a restore', () => {
  const restore = {
    ...{ backupId: snapshot(1), backupBeganAt: '2031-05-06T12:00:00.000Z', roots: ['project' as const] },
    ...{ files: 1, folders: 1, bytes: 1, problems: { total: 0, first: [] }, lacks: { total: 0, first: [] } },
  };
  const since = '2031-05-06T13:00:00.000Z';
  const stale = event('freshness-changed', { freshness: 'stale', staleSince: since, reason: 'Changed.' });
  const unknown = event('freshness-changed', {
    freshness: 'unknown',
    reason: 'Its data are not on its host any more.',
  });
  const fresh = event('freshness-changed', { freshness: 'fresh', reason: 'A backup holds everything.' });
  const lost = (...before: NewEvent<'project'>[]): unknown => {
    const said = { restore: { ...restore, changesLostSince: '2030-01-01T00:00:00.000Z' } };
    const asked = [requestedEvent('op-1', 'start'), beganEvent('op-1', 'start', 'at-1')];
    const { events } = decide([...READY, ...before, ...asked], claim({ kind: 'start', provisioned, result: said }));
    return (events.at(-1)!.data as { result: { restore: object } }).result.restore;
  };

  it('says since when changes are lost that no backup held, by the word of the log and no host', () => {
    expect(lost(stale)).toEqual({ ...restore, changesLostSince: since });
    expect(lost(stale, unknown)).toEqual({ ...restore, changesLostSince: since });
    expect(lost(stale, fresh, unknown)).toEqual(restore);
    const other = event('provisioned', { ...provisioned, operationId: 'op-0' });
    expect(lost(stale, other)).toEqual(restore);
  });

  describe('of data that its host has looked after until it replaced them', () => {
    const counter = (n: number, epoch = 'dawn') => ({ generation: HERE.generation, epoch, n });
    const freshAt = (n: number) =>
      event('freshness-changed', { freshness: 'fresh', reason: 'All.', counter: counter(n) });
    /** Stated of the renames of the swap, or of what stands there since, before the end of the operation is decided. */
    const alarm = event('freshness-changed', {
      ...{ freshness: 'stale', reason: 'Changed.', staleSince: '2031-05-06T14:00:00.000Z', counter: counter(8) },
    });
    const outside = event('changed', { source: 'agent', at: '2031-05-06T13:30:00.000Z' });
    const known = { sameAs: [], firstChanges: [], at: Date.parse('2031-05-06T13:59:00.000Z') };
    const lostSince = (
      story: Partial<Record<'before' | 'upgraded' | 'meanwhile', NewEvent<'project'>[]>>,
      replaced?: Partial<ReplacedData>,
    ): string | undefined => {
      const { before = [], upgraded, meanwhile = [] } = story;
      const restoring = [requestedEvent('op-1', 'restore'), beganEvent('op-1', 'restore', 'at-1'), ...meanwhile, alarm];
      const first = [...READY, ...before];
      const project = upgraded === undefined ? WholeProject.after(logged(first)) : projectOfEarlierVersion(first);
      for (const each of logged([...(upgraded ?? []), ...restoring], first.length)) project.hear(each);
      const told = replaced && { replaced: { ...known, counter: counter(7), ...replaced } };
      const claimed = { restore: { ...restore, ...told } };
      const ended = endOperation(project.whole, HERE.hostId, claim({ kind: 'restore', provisioned, result: claimed }));
      const result = (ended.events.at(-1)!.data as { result: { restore: RestoreResult } }).result.restore;
      expect(result).not.toHaveProperty('replaced');
      return result.changesLostSince;
    };

    it('nothing is lost where a backup held all of it right before the switch, whatever is stated of the switch', () => {
      expect(lostSince({ before: [freshAt(7)] }, {})).toBeUndefined();
      expect(lostSince({ before: [freshAt(7), unknown] }, {})).toBeUndefined();
      const again = { counter: counter(0, 'noon'), sameAs: [counter(7)] };
      expect(lostSince({ before: [freshAt(7)] }, again)).toBeUndefined();
      expect(lostSince({ before: [freshAt(7), stale] }, {})).toBe(since);
    });

    it('what has changed since it was asked for is lost', () => {
      const firstChanges = [{ epoch: 'dawn', n: 7, at: Date.parse('2031-05-06T13:45:00.000Z') }];
      expect(lostSince({ before: [freshAt(7)] }, { counter: counter(8), firstChanges })).toBe(
        '2031-05-06T13:45:00.000Z',
      );
      expect(lostSince({ before: [freshAt(7)], meanwhile: [outside] }, {})).toBe('2031-05-06T13:30:00.000Z');
      // Nobody knows what happened before its worker began anew.
      expect(lostSince({ before: [freshAt(7)] }, { counter: counter(0, 'noon') })).toBe('2031-05-06T14:00:00.000Z');
    });

    describe('a backup that held all of it', () => {
      const freshBy = (digit: number) =>
        event('freshness-changed', {
          ...{ freshness: 'fresh', reason: 'All.', counter: counter(7), coveredBy: snapshot(digit) },
        });
      const said = { operationId: 'op-v' };
      const losses: [string, (lost: number, kept: number) => NewEvent<'project'>[]][] = [
        ['is deleted', (lost) => [event('backup-deleted', { backupId: snapshot(lost), ...said })]],
        ['may be deleted', (lost) => doubted(lost)],
        ['is damaged', (lost) => [event('backups-damaged', { backupIds: [snapshot(lost)], ...said })]],
        [
          'is damaged as almost all are',
          (_, kept) => [event('backups-damaged', { backupIds: [], othersBut: [snapshot(kept)], ...said })],
        ],
      ];

      it.each(losses)('and %s before the restore, or while it runs, holds nothing any more', (_, losing) => {
        const [backups, lost, kept] = [[...backedUp(1), ...backedUp(2)], losing(2, 1), losing(1, 2)];
        const before = [...backups, freshBy(2)];
        expect(lostSince({ before: [...before, ...lost] }, {})).toBe(AT);
        expect(lostSince({ before, meanwhile: lost }, {})).toBe(AT);
        expect(lostSince({ before: [...before, ...lost] })).toBe(AT);
        // Another one does, or all of it is known better.
        expect(lostSince({ before: [...before, ...kept], meanwhile: kept }, {})).toBeUndefined();
        expect(lostSince({ before: [...before, ...lost, freshBy(1)] }, {})).toBeUndefined();
        expect(lostSince({ before: [...before, ...lost, stale] }, {})).toBe(since);
      });

      it.each(losses)('by the word of an earlier version, and %s, holds nothing any more', (_, losing) => {
        const before = [...backedUp(1), ...backedUp(2), freshBy(2)];
        expect(lostSince({ before, upgraded: losing(2, 1) }, {})).toBe(AT);
        expect(lostSince({ before, upgraded: losing(1, 2) }, {})).toBeUndefined();
      });
    });

    it('that were fresh by the word of an earlier version, nothing is lost that is known of', () => {
      expect(lostSince({ before: [freshAt(7)], upgraded: [] }, {})).toBeUndefined();
      expect(lostSince({ before: [freshAt(7)], upgraded: [unknown] }, {})).toBeUndefined();
      expect(lostSince({ before: [freshAt(7)], upgraded: [stale] }, {})).toBe(since);
      expect(lostSince({ before: [stale], upgraded: [] }, {})).toBe(since);
      expect(lostSince({ before: [freshAt(7)], upgraded: [], meanwhile: [outside] }, {})).toBe(
        '2031-05-06T13:30:00.000Z',
      );
      // What other data were says nothing of these.
      const other = event('provisioned', { ...provisioned, operationId: 'op-0' });
      expect(lostSince({ before: [freshAt(7)], upgraded: [other] }, {})).toBe('2031-05-06T14:00:00.000Z');
      expect(lostSince({ before: [unknown], upgraded: [] }, {})).toBe('2031-05-06T14:00:00.000Z');
      // Asked for and begun under the earlier version.
      const begun = [requestedEvent('op-1', 'restore'), beganEvent('op-1', 'restore', 'at-1')];
      const early = projectOfEarlierVersion([...READY, freshAt(7), ...begun]);
      const restored = { restore: { ...restore, replaced: { ...known, counter: counter(7) } } };
      const { events } = endOperation(
        early.whole,
        HERE.hostId,
        claim({ kind: 'restore', provisioned, result: restored }),
      );
      expect(events.at(-1)!.data).toMatchObject({ result: { restore } });
      expect(events.at(-1)!.data).not.toHaveProperty('result.restore.changesLostSince');
    });

    it('that were missing, what was known before counts, and no word on those that stand there now', () => {
      expect(lostSince({ before: [freshAt(7), unknown] })).toBeUndefined();
      expect(lostSince({ before: [freshAt(7), stale, unknown] })).toBe(since);
    });
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
