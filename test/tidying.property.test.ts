import { describe, expect, it } from '@jest/globals';
import { OUTCOMES, type NewEvent } from '@buckets/contracts';
import fc from 'fast-check';
import { unknownBackups } from '../apps/api/src/projects/decide/attempt.js';
import {
  beganEvent,
  event,
  given,
  HERE,
  READY,
  recordedEvent,
  requestedEvent,
  snapshot as snapshotId,
} from '../apps/api/src/projects/testing/given.js';
import { sortOut } from '../apps/backup-worker/src/tidy/tidy.js';

/*
 * A tidy removes what the host sorts out by the word of the control plane: both halves together, as they are in the product.
 */

const NOW = Date.parse('2031-02-03T04:05:06.789Z');
const GRACE_SECONDS = 3_600;

/** A backup operation, what the log knows of it, and the snapshots that name it. */
const operation = fc.record({
  log: fc.constantFrom('unknown', 'queued', 'running', ...OUTCOMES),
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
  const events: NewEvent<'project'>[] = made.flatMap(({ operationId, log, isRecorded, snapshots }) => {
    if (log === 'unknown') return [];
    const [first] = snapshots;
    return [
      requestedEvent(operationId, 'backup'),
      ...(log === 'queued' ? [] : [beganEvent(operationId, 'backup', `at-${operationId}`)]),
      ...(log !== 'queued' && isRecorded && first !== undefined ? [recordedEvent(first.digit, operationId)] : []),
      ...(log === 'queued' || log === 'running' ? [] : [event(`backup-${log}`, { operationId })]),
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

type Story = typeof story extends fc.Arbitrary<infer T> ? T : never;
const idOf = ({ operationId }: { operationId: string }): string => operationId;

function tidied({ made, events }: Story) {
  const state = given(...READY, ...events, requestedEvent('op-1', 'tidy'), beganEvent('op-1', 'tidy', 'at-1'));
  const snapshots = made.flatMap((each) => each.snapshots);
  const ended = new Set(['op-0', ...made.filter(({ log }) => OUTCOMES.some((each) => each === log)).map(idOf)]);
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
  it('a tidy removes just those of one operation of which the log has the end, when they are old and no backups', () => {
    fc.assert(
      fc.property(story, (told) => {
        const { state, due } = tidied(told);
        for (const { operationId, log, isInHand, snapshots } of told.made) {
          for (const each of snapshots) {
            const hasEnded = OUTCOMES.some((outcome) => outcome === log);
            const namesOne = each.named === 'tag' || each.named === 'tag and description';
            const isBackup = Object.hasOwn(state.backups, each.id);
            const mayGo = hasEnded && !isInHand && namesOne && each.isOld && !isBackup;
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

  it('one that calls itself a backup of an operation that the log does not know is told', () => {
    fc.assert(
      fc.property(story, (told) => {
        const { unexplained } = tidied(told);
        const expected = told.made
          .filter(({ log, isInHand }) => log === 'unknown' && !isInHand)
          .flatMap(({ snapshots }) => snapshots)
          .filter(({ named }) => named === 'tag' || named === 'tag and description');
        expect(unexplained.map(({ id }) => id).toSorted()).toEqual(expected.map(({ id }) => id).toSorted());
      }),
      { numRuns: 500 },
    );
  });
});
