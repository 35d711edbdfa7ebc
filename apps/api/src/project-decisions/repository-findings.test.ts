import { describe, expect, it } from '@jest/globals';
import { MAX_DAMAGED_BACKUPS, type DamagedObject, type NewEvent, type RepositoryFindings } from '@buckets/contracts';
import { backupToCompareWith, backupToRestore, undecided } from '../state/backups-at-hand.js';
import {
  AT,
  backedUp,
  beganEvent,
  claim,
  damagedBackups,
  event,
  expectRejection,
  given,
  HERE,
  LIMITS,
  logged,
  READY,
  record,
  recordedEvent,
  requestedEvent,
  said,
  snapshot,
} from '../state/testing/given.js';
import { WholeProject } from '../state/testing/all-backups.js';
import { endOperation, lookForClaim } from './end-operation.js';
import { requestOperation, SCHEDULER } from './request-operation.js';

const pack = (digit: number, damage: DamagedObject['damage'] = 'missing'): DamagedObject => ({
  kind: 'pack',
  id: snapshot(digit),
  damage,
});

const found = (changes: Partial<RepositoryFindings> = {}): RepositoryFindings => ({
  total: 0,
  first: [],
  damaged: [],
  others: 'unknown',
  whole: [],
  settled: true,
  packs: 2,
  packsRead: 0,
  bytes: 10,
  bytesRead: 0,
  ...changes,
});

const INITIALISED = event('repository-initialised', { configId: snapshot('a'), operationId: 'op-b1' });
const VERIFYING = [requestedEvent('op-1', 'verify', { readData: 0 }), beganEvent('op-1', 'verify', 'at-1')];
const TWO = [...READY, INITIALISED, ...backedUp(1), ...backedUp(2)];
const FAILED = { kind: 'verify' as const, outcome: 'failed' as const, code: 'repository-damaged' };
const damagedEvent = (...digits: number[]) =>
  event('backups-damaged', { backupIds: digits.map((digit) => snapshot(digit)), operationId: 'op-v' });

/** What follows from the findings of a verification that fails. */
function findings(state: ReturnType<typeof given>, repository: RepositoryFindings) {
  return endOperation(state, HERE.hostId, claim({ ...FAILED, result: { repository } }));
}

describe('what a host has found in a repository', () => {
  const state = given(...TWO, ...VERIFYING);

  it('makes the backups damaged that have lost something, and is to be mended', () => {
    const { events } = findings(state, found({ total: 1, first: [pack(7)], damaged: [snapshot(2)] }));
    expect(events.slice(0, 2)).toEqual([
      event('repository-damaged', { operationId: 'op-1', total: 1, first: [pack(7)] }),
      event('backups-damaged', { operationId: 'op-1', backupIds: [snapshot(2)] }),
    ]);
    const after = given(...TWO, ...VERIFYING, ...events);
    expect(after.damage).toEqual({ total: 1, first: [pack(7)] });
    expect(damagedBackups(after)).toEqual([snapshot(2)]);
  });

  it('is of the backup too that was made in the same go', () => {
    const backing = given(...TWO, requestedEvent('op-3', 'backup'), beganEvent('op-3', 'backup', 'at-1'));
    const made = { kind: 'backup' as const, backup: record(3, 'op-3'), operationId: 'op-3' };
    const repository = found({ total: 1, first: [pack(7, 'altered')], damaged: [snapshot(3)] });
    const { events } = endOperation(backing, HERE.hostId, claim({ ...made, result: { repository } }));
    expect(events).toContainEqual(event('backups-damaged', { backupIds: [snapshot(3)], operationId: 'op-3' }));
  });

  it('is of the backups of its project only, and each fact is stated once', () => {
    expect(said(findings(state, found({ damaged: [snapshot(9)], whole: [snapshot(9)] })))).toEqual(['verify-failed']);
    const known = given(
      ...TWO,
      damagedEvent(2),
      event('repository-damaged', { operationId: 'op-v', total: 1, first: [pack(7)] }),
      ...VERIFYING,
    );
    const same = found({ total: 1, first: [pack(7)], damaged: [snapshot(2)] });
    expect(said(findings(known, same))).toEqual(['verify-failed']);
    const worse = found({ total: 1, first: [pack(7, 'altered')], damaged: [snapshot(2)] });
    expect(said(findings(known, worse))).toEqual(['repository-damaged', 'verify-failed']);
  });

  it('is taken for the worse where it contradicts itself', () => {
    const damaged = given(...TWO, damagedEvent(2), ...VERIFYING);
    expect(said(findings(damaged, found({ damaged: [snapshot(2)], whole: [snapshot(2)] })))).toEqual(['verify-failed']);
  });

  it('makes all backups damaged that are not known to be whole, where nobody can tell', () => {
    const { events } = findings(
      state,
      found({ total: 1, first: [{ kind: 'config', damage: 'missing' }], others: 'damaged' }),
    );
    expect(damagedBackups(given(...TWO, ...VERIFYING, ...events))).toEqual([snapshot(2), snapshot(1)]);
    const some = findings(state, found({ others: 'damaged', whole: [snapshot(1)] }));
    expect(damagedBackups(given(...TWO, ...VERIFYING, ...some.events))).toEqual([snapshot(2)]);
  });

  it('heals all that are not said to be damaged, where all were looked at', () => {
    const damaged = given(...TWO, damagedEvent(1, 2), ...VERIFYING);
    const { events } = findings(damaged, found({ others: 'whole', damaged: [snapshot(1)] }));
    expect(damagedBackups(given(...TWO, damagedEvent(1, 2), ...VERIFYING, ...events))).toEqual([snapshot(1)]);
  });

  describe('of very many backups', () => {
    const ids = Array.from({ length: 2 * MAX_DAMAGED_BACKUPS + 1 }, (_, n) => String(n).padStart(64, '0'));
    const many = [...TWO, ...ids.map((id) => recordedEvent(id, `op-${id}`))];
    const [first, ...others] = ids.toReversed();
    const decided = (events: readonly NewEvent<'project'>[], repository: RepositoryFindings) => {
      const told = claim({ ...FAILED, result: { repository } });
      const project = WholeProject.after(logged([...events, ...VERIFYING]));
      // With no more of them than is looked for.
      const verdict = endOperation(project.with(lookForClaim(told)), HERE.hostId, told);
      const after = WholeProject.after(logged([...events, ...VERIFYING, ...verdict.events]));
      return { verdict, damaged: damagedBackups(after.whole).toSorted() };
    };

    it('is told in one message, which names those that are not meant', () => {
      const { verdict, damaged } = decided(many, found({ others: 'damaged', damaged: [first!], whole: [snapshot(1)] }));
      expect(verdict.events).toEqual([
        event('backups-damaged', { operationId: 'op-1', backupIds: [first!], othersBut: [snapshot(1)] }),
        expect.objectContaining({ type: 'verify-failed' }),
      ]);
      expect(damaged).toEqual([...ids, snapshot(2)].toSorted());
      const sick = [...many, ...verdict.events];
      const healed = decided(sick, found({ others: 'whole', damaged: [first!], whole: [others[0]!] }));
      expect(healed.verdict.events.slice(0, -1)).toEqual([
        event('backups-healed', { operationId: 'op-1', backupIds: [others[0]!], othersBut: [first!] }),
      ]);
      expect(healed.damaged).toEqual([first]);
    });

    it('is told in pieces that fit into messages, where all are known by name', () => {
      const fewer = [...TWO, ...ids.slice(0, MAX_DAMAGED_BACKUPS - 3).map((id) => recordedEvent(id, `op-${id}`))];
      const { verdict } = decided(fewer, found({ others: 'damaged' }));
      expect(said(verdict)).toEqual(['backups-damaged', 'verify-failed']);
      expect(verdict.events[0]!.data).toMatchObject({ backupIds: { length: MAX_DAMAGED_BACKUPS - 1 } });
      expect(verdict.events[0]!.data).not.toHaveProperty('othersBut');
    });
  });

  it('heals what is whole again, and says so when nothing is damaged any more', () => {
    const damaged = given(
      ...TWO,
      damagedEvent(1, 2),
      event('repository-damaged', { operationId: 'op-v', total: 1, first: [pack(7)] }),
      ...VERIFYING,
    );
    const verdict = endOperation(
      damaged,
      HERE.hostId,
      claim({
        kind: 'verify',
        outcome: 'partial',
        result: { repository: found({ whole: [snapshot(2)], damaged: [snapshot(1)] }) },
      }),
    );
    expect(said(verdict)).toEqual(['repository-mended', 'backups-healed', 'verify-partial']);
    const after = given(
      ...TWO,
      damagedEvent(1, 2),
      event('repository-damaged', { operationId: 'op-v', total: 1, first: [pack(7)] }),
      ...VERIFYING,
      ...verdict.events,
    );
    expect(after.damage).toBeUndefined();
    expect(damagedBackups(after)).toEqual([snapshot(1)]);
  });

  it('by somebody who has not looked at everything adds to what is known, and takes nothing away', () => {
    const restoring = [
      requestedEvent('op-1', 'restore', { backupId: snapshot(1) }),
      beganEvent('op-1', 'restore', 'at-1'),
    ];
    const known = given(
      ...TWO,
      event('repository-damaged', { operationId: 'op-v', total: 1, first: [pack(7)] }),
      ...restoring,
    );
    const failed = (repository: RepositoryFindings) =>
      endOperation(known, HERE.hostId, claim({ kind: 'restore', outcome: 'failed', result: { repository } })).events;
    expect(failed(found({ settled: false }))).toMatchObject([{ type: 'restore-failed' }]);
    expect(failed(found({ settled: false, total: 1, first: [pack(8)] }))[0]).toMatchObject({
      type: 'repository-damaged',
      data: { total: 2, first: [pack(7), pack(8)] },
    });
  });

  it('that is found again by somebody who has not looked at everything is no more than it was', () => {
    const known = event('repository-damaged', { operationId: 'op-v', total: 300, first: [pack(7)] });
    const again = found({ settled: false, total: 250, first: [pack(7)] });
    expect(findings(given(...TWO, known, ...VERIFYING), again).events[0]).toMatchObject({ type: 'verify-failed' });
    const more = found({ settled: false, total: 301, first: [pack(8)] });
    expect(findings(given(...TWO, known, ...VERIFYING), more).events[0]).toMatchObject({
      type: 'repository-damaged',
      data: { total: 301, first: [pack(7), pack(8)] },
    });
  });

  it('counts for nothing when the operation was ended by others, or from an attempt without a say', () => {
    const expired = given(...TWO, ...VERIFYING, event('verify-expired', { operationId: 'op-1' }));
    const worse = found({ damaged: [snapshot(2)] });
    expect(said(findings(expired, worse))).toEqual([]);
    const overtaken = claim({ ...FAILED, attemptId: 'at-0', result: { repository: worse } });
    expect(said(endOperation(state, HERE.hostId, overtaken))).toEqual([]);
    expect(said(endOperation(state, 'h9', claim({ ...FAILED, result: { repository: worse } })))).toEqual([
      'claim-rejected',
    ]);
  });

  it.each([
    ['nothing was looked at', undefined],
    ['something is damaged', { repository: found({ total: 1, first: [pack(7)] }) }],
    ['a backup has lost something', { repository: found({ damaged: [snapshot(1)] }) }],
  ])('is no success where %s', (_, result) => {
    const verdict = endOperation(
      state,
      HERE.hostId,
      claim({ kind: 'verify', ...(result === undefined ? {} : { result }) }),
    );
    expect(said(verdict)).toEqual(['claim-rejected', 'verify-failed']);
  });
});

describe('a damaged backup', () => {
  it('is not restored by a start, which asks where it is the newest', () => {
    const state = given(...TWO, damagedEvent(2));
    expect(backupToRestore(state)).toBe(snapshot(1));
    expect(undecided(state)).toEqual({
      older: { backupId: snapshot(1) },
      newer: { backupId: snapshot(2), partialBecause: [], damaged: true },
    });
    const nothingGood = given(...TWO, damagedEvent(1, 2));
    expect([backupToRestore(nothingGood), undecided(nothingGood)]).toEqual([null, null]);
  });

  it('still says how large the project was, and a healed one is as good as any', () => {
    expect(backupToCompareWith(given(...TWO, damagedEvent(1, 2)))).toBe(snapshot(2));
    const healed = event('backups-healed', { backupIds: [snapshot(2)], operationId: 'op-v' });
    expect(backupToRestore(given(...TWO, damagedEvent(1, 2), healed))).toBe(snapshot(2));
  });

  it('is no reason to let the only good one go', () => {
    const forget = (digit: number) => ({
      ...{ operationId: 'op-f', kind: 'forget' as const, params: { backupId: snapshot(digit) } },
      ...{ limits: LIMITS, at: AT, by: { requestedBy: SCHEDULER } },
    });
    expectRejection(() => requestOperation(given(...TWO, damagedEvent(2)), 'p1', forget(1)), 'last-good-backup', 409);
    expectRejection(
      () => requestOperation(given(...TWO, damagedEvent(1, 2)), 'p1', forget(2)),
      'last-good-backup',
      409,
    );
    expect(said(requestOperation(given(...TWO, damagedEvent(2)), 'p1', forget(2)))).toContain('forget-requested');
  });
});
