import { describe, expect, it } from '@jest/globals';
import { isEnded, OUTCOMES, type NewEvent, type OperationState } from '@buckets/contracts';
import fc from 'fast-check';
import { planOf } from '../apps/api/src/bucket-recovery/plan.js';
import { operationKnown, type OperationKnown } from '../apps/api/src/operations/operation-known.js';
import { unknownBackups } from '../apps/api/src/project-decisions/attempt.js';
import {
  beganEvent,
  event,
  given,
  HERE,
  READY,
  recordedEvent,
  requestedEvent,
  snapshot as snapshotId,
} from '../apps/api/src/state/testing/given.js';
import { sortOut } from '../apps/backup-worker/src/tidy/tidy.js';

/*
 * A tidy removes what the host sorts out by the word of the control plane: both halves together, as they are in the product.
 */

const PLACE = { generation: 1, beganAt: '2031-01-01T00:00:00Z', files: 1, bytes: 1 };
const NOW = Date.parse('2031-02-03T04:05:06.789Z');
const GRACE_SECONDS = 3_600;

/** A backup operation, what the log knows of it, and the snapshots that name it. */
const operation = fc.record({
  log: fc.constantFrom('unknown', 'queued', 'running', ...OUTCOMES),
  /** Whether its host began with it, where it has ended, and whether its host did not answer a cancel. */
  hasBegun: fc.boolean(),
  isUnanswered: fc.boolean(),
  /** Whether the log has its first snapshot as a backup. */
  isRecorded: fc.boolean(),
  isInHand: fc.boolean(),
  snapshots: fc.array(
    fc.record({
      ageSeconds: fc.integer({ min: -GRACE_SECONDS, max: 3 * GRACE_SECONDS }),
      named: fc.constantFrom('tag', 'tag and description', 'description', 'two tags', 'another in the description'),
    }),
    { maxLength: 3 },
  ),
});

const story = fc.array(operation, { maxLength: 6 }).map((operations) => {
  let digit = 10;
  const made = operations.map((each, index) => {
    const operationId = `op-b${index}`;
    const snapshots = each.snapshots.map(({ ageSeconds, named }) => ({
      ...{ id: snapshotId(digit), digit: digit++, named, ...tellingOf(operationId, named) },
      timeNs: BigInt(NOW - ageSeconds * 1000) * 1_000_000n,
      isOld: ageSeconds >= GRACE_SECONDS,
    }));
    return { ...each, operationId, snapshots };
  });
  const events: NewEvent<'project'>[] = made.flatMap((each) => {
    const { operationId, log, isRecorded, snapshots } = each;
    if (log === 'unknown') return [];
    const [first] = snapshots;
    const began = attemptsOf(each) > 0;
    return [
      requestedEvent(operationId, 'backup'),
      ...(began ? [beganEvent(operationId, 'backup', `at-${operationId}`)] : []),
      ...(began && isRecorded && first !== undefined ? [recordedEvent(first.digit, operationId)] : []),
      ...(isEnded(log) ? [event(`backup-${log}`, { operationId })] : []),
    ];
  });
  return { made, events };
});

function tellingOf(operationId: string, named: string): { tags: string[]; description?: string } {
  const tag = `operation:${operationId}`;
  switch (named) {
    case 'tag':
      return { tags: [tag] };
    case 'tag and description':
      return { tags: [tag], description: JSON.stringify({ operation: operationId }) };
    case 'description':
      return { tags: [], description: JSON.stringify({ operation: operationId }) };
    case 'two tags':
      return { tags: [tag, 'operation:op-0'] };
    default:
      return { tags: [tag], description: JSON.stringify({ operation: 'op-0' }) };
  }
}

interface Fate {
  log: 'unknown' | OperationState;
  hasBegun: boolean;
  isUnanswered: boolean;
}

function attemptsOf({ log, hasBegun }: Fate): number {
  return log === 'running' || (log !== 'queued' && hasBegun) ? 1 : 0;
}

function becameOf(fate: Fate): OperationKnown {
  if (fate.log === 'unknown') return 'unknown';
  return operationKnown({
    state: fate.log,
    attempts: attemptsOf(fate),
    code: fate.log === 'cancelled' && fate.isUnanswered ? 'cancel-unanswered' : null,
  });
}

/** Whether its host has said how it ended. */
const hasToldItsEnd = (fate: Fate): boolean =>
  fate.hasBegun &&
  ['succeeded', 'partial', 'failed', 'cancelled'].includes(fate.log) &&
  !(fate.log === 'cancelled' && fate.isUnanswered);

type Story = typeof story extends fc.Arbitrary<infer T> ? T : never;
const idOf = ({ operationId }: { operationId: string }): string => operationId;

function tidied({ made, events }: Story) {
  const state = given(...READY, ...events, requestedEvent('op-1', 'tidy'), beganEvent('op-1', 'tidy', 'at-1'));
  const snapshots = made.flatMap((each) => each.snapshots);
  const ended = new Set(['op-0', ...made.filter((each) => becameOf(each) === 'ended').map(idOf)]);
  const attempt = { ...HERE, operationId: 'op-1', attemptId: 'at-1' };
  const asked = { backupIds: snapshots.map(({ id }) => id), operationIds: ['op-0', ...made.map(idOf)] };
  const answer = unknownBackups(state, 'p1', attempt, asked, ended);
  const word = {
    unknown: new Set(answer.backupIds),
    open: new Set(answer.openOperations),
    ended: new Set(answer.endedOperations),
  };
  const inHand = new Set(made.filter(({ isInHand }) => isInHand).map(idOf));
  const about = { isInHand: (id: string) => inHand.has(id), graceSeconds: GRACE_SECONDS, now: NOW };
  return { state, ...sortOut(snapshots, word, about) };
}

describe('whatever the log knows, and whatever snapshots say of themselves', () => {
  it('a tidy removes just those of one operation whose end its host told, when they are old and no backups', () => {
    fc.assert(
      fc.property(story, (told) => {
        const { state, due } = tidied(told);
        for (const made of told.made) {
          const { operationId, isInHand, snapshots } = made;
          for (const each of snapshots) {
            const namesOne = each.named === 'tag' || each.named === 'tag and description';
            const isBackup = state.backups.has(each.id);
            const mayGo = hasToldItsEnd(made) && !isInHand && namesOne && each.isOld && !isBackup;
            expect([operationId, each.named, due.some(({ id }) => id === each.id)]).toEqual([
              ...[operationId, each.named],
              mayGo,
            ]);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('one that calls itself a backup of an operation whose end the log does not know is told, and recovery states it', () => {
    fc.assert(
      fc.property(story, (told) => {
        const { state, unexplained } = tidied(told);
        const expected = told.made
          .filter((each) => (each.log === 'unknown' || isEnded(each.log)) && !hasToldItsEnd(each) && !each.isInHand)
          .flatMap(({ snapshots }) => snapshots)
          .filter(({ id, named }) => named.startsWith('tag') && !state.backups.has(id));
        expect(unexplained.map(({ id }) => id).toSorted()).toEqual(expected.map(({ id }) => id).toSorted());
        const described = told.made.flatMap((each) =>
          each.snapshots.map(({ id }) => ({ ...PLACE, backupId: id, operationId: each.operationId })),
        );
        const fates = new Map(told.made.map((each) => [each.operationId, becameOf(each)]));
        const { missing } = planOf(described, {
          knows: (id) => state.backups.has(id),
          wasFound: () => false,
          operation: (id) => fates.get(id)!,
        });
        const stated = missing.map(({ backupId }) => backupId);
        expect(stated).toEqual(expect.arrayContaining(unexplained.map(({ id }) => id)));
      }),
      { numRuns: 500 },
    );
  });
});
