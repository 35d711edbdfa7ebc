import { expect } from '@jest/globals';
import fc from 'fast-check';
import {
  isRestorable,
  OTHER_BACKUPS,
  type BackupRecord,
  type LoggedEvent,
  type OperationEndedClaim,
  type OperationKind,
  type OtherBackups,
  type PartialReason,
} from '@buckets/contracts';
import { Rejection } from '../../problems/rejection.js';
import { acceptBackup } from '../accept-backup.js';
import { beginAttempt } from '../attempt.js';
import { endOperation, lookForClaim, SMALL_ON_PURPOSE } from '../end-operation.js';
import { expireOperation } from '../expire-operation.js';
import { lookForRequest, requestOperation, SCHEDULER } from '../request-operation.js';
import type { Verdict } from '../verdict.js';
import {
  backupToCompareWith,
  backupToRestore,
  undecided,
  type BackupLook,
  type Project,
} from '../../state/backups-at-hand.js';
import type { ProjectState } from '../../state/project-state.js';
import { WholeProject } from '../../state/testing/all-backups.js';
import {
  AT,
  backupsInDoubt,
  damagedBackups,
  event,
  HERE,
  LIMITS,
  logged,
  READY,
  record,
  said,
  snapshot,
  UP,
} from '../../state/testing/given.js';

/*
 * A project grows, shrinks and is emptied; its backups are made, told of late, accepted, damaged, healed, deleted, and
 * deleted by hosts that say nothing of it. The model knows what really happened, and has a list of backups in the order in which the log
 * let them begin.
 */

export type BackupAction =
  | { do: 'backup'; bytes: number; unreadable: boolean; late: boolean }
  | { do: 'told' }
  | { do: 'accept'; which: number }
  | { do: 'forget'; which: number; by: 'somebody' | 'scheduler'; end: 'succeeded' | 'silent-gone' | 'silent-there' }
  | { do: 'look' }
  /** Something of these is lost, and of no others. */
  | { do: 'verify'; lost: number[]; others: OtherBackups };

const which = fc.nat(20);
const action: fc.Arbitrary<BackupAction> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('backup' as const),
      bytes: fc.constantFrom(0, 40, 50, 60, 450, 500, 5_000, 10_000, 10_000),
      unreadable: fc.nat(4).map((n) => n === 0),
      late: fc.nat(5).map((n) => n === 0),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'told' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('accept' as const), which }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('forget' as const),
      which,
      by: fc.constantFrom('somebody' as const, 'scheduler' as const),
      end: fc.constantFrom('succeeded' as const, 'silent-gone' as const, 'silent-there' as const),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'look' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('verify' as const),
      lost: fc.array(which, { maxLength: 4 }),
      others: fc.constantFrom(...OTHER_BACKUPS),
    }),
  },
);

/** Clocks of hosts say anything, also on one and the same host. */
export const clocks = fc.infiniteStream(fc.integer({ min: Date.parse('1970-01-01'), max: Date.parse('2099-01-01') }));

/** A backup as the model has it. */
export interface MadeBackup {
  id: string;
  flagged: boolean;
  reasons: PartialReason[];
  bytes: number;
  accepted: boolean;
  told: boolean;
  inDoubt: boolean;
  /** Something of it is lost. */
  lost: boolean;
  /** Its snapshot is in the repository. */
  isThere: boolean;
}

export class BackupStory {
  readonly events: LoggedEvent<'project'>[] = logged([
    ...READY,
    event('repository-initialised', { configId: snapshot('a'), operationId: 'op-0' }),
  ]);
  readonly log = WholeProject.after(this.events);
  /** In the order in which they began. */
  readonly made: MadeBackup[] = [];
  private readonly late: { backup: MadeBackup; claim: OperationEndedClaim }[] = [];
  private count = 0;
  /** The last ones told of, as far as they were only shrunken. */
  private run: number[] = [];

  constructor(private readonly clock: () => number) {}

  do(each: BackupAction): void {
    switch (each.do) {
      case 'backup':
        return this.backUp(each);
      case 'told': {
        const next = this.late.shift();
        if (next !== undefined) this.tell(next.backup, next.claim);
        return;
      }
      case 'accept': {
        const backup = this.known[each.which % Math.max(1, this.known.length)];
        if (backup === undefined) return;
        const accepted = { backupId: backup.id, requestedBy: 'a' };
        const verdict = this.decide(() => acceptBackup(this.with({ ids: [backup.id] }), 'p1', accepted));
        expect(said(verdict)).toEqual(backup.flagged && !backup.accepted && !backup.inDoubt ? ['backup-accepted'] : []);
        if (verdict.events.length === 0) return;
        backup.accepted = true;
        this.run = [];
        return;
      }
      case 'forget':
        return this.forget(each);
      case 'verify':
        return this.verify(each);
      case 'look': {
        const { id, claim } = this.begin('tidy', { remove: false, graceSeconds: 60 })!;
        const inDoubt = backupsInDoubt(this.project);
        const there = inDoubt.filter((backupId) => this.made.find((backup) => backup.id === backupId)!.isThere);
        const gone = inDoubt.filter((backupId) => !there.includes(backupId));
        this.end({ ...claim, operationId: id, result: { lookedFor: { there, gone } } });
        for (const backup of this.made) backup.inDoubt = false;
        expect(backupsInDoubt(this.project)).toEqual([]);
        for (const backupId of gone) expect(this.log.get(backupId)).toBeUndefined();
        return;
      }
    }
  }

  /** Those that the control plane knows of, the oldest first. */
  get known(): MadeBackup[] {
    return this.made.filter(({ id }) => this.log.get(id) !== undefined);
  }

  get state(): ProjectState {
    return this.log.state!;
  }

  /** With whatever is known of its backups. */
  get project(): Project {
    return this.log.whole;
  }

  /** With what a decision looks for, and no more. */
  private with(look: BackupLook): Project {
    return this.log.with(look)!;
  }

  private verify({ lost, others }: Extract<BackupAction, { do: 'verify' }>): void {
    const { known } = this;
    const damaged = new Set(lost.flatMap((index) => known[index % Math.max(1, known.length)] ?? []));
    for (const backup of known) backup.lost = damaged.has(backup);
    const idsOf = (isLost: boolean) => known.filter((backup) => backup.lost === isLost).map(({ id }) => id);
    const { id, claim } = this.begin('verify', { readData: 0 })!;
    const nothing = { packs: 0, packsRead: 0, bytes: 0, bytesRead: 0 };
    const repository = {
      ...{ total: 0, first: [], damaged: others === 'damaged' ? [] : idsOf(true), others },
      ...{ whole: others === 'whole' ? [] : idsOf(false), settled: true },
      ...nothing,
    };
    this.end({ ...claim, operationId: id, outcome: 'failed', code: 'repository-damaged', result: { repository } });
    expect(damagedBackups(this.project).toSorted()).toEqual(idsOf(true).toSorted());
  }

  private backUp({ bytes, unreadable, late }: Extract<BackupAction, { do: 'backup' }>): void {
    const before = backupToCompareWith(this.with({ choices: true }));
    const { id: operationId, claim } = this.begin('backup', {})!;
    const baseline = this.made.find(({ id }) => id === before)?.bytes;
    const reasons: PartialReason[] = [
      ...(unreadable ? (['unreadable-files'] as const) : []),
      ...(baseline === undefined || baseline === 0 ? [] : flagsOf(bytes, baseline)),
    ];
    const backup: MadeBackup = {
      id: String(++this.count).padStart(64, '0'),
      flagged: !isRestorable(reasons),
      ...{ reasons, bytes, accepted: false, told: false, inDoubt: false, lost: false, isThere: true },
    };
    this.made.push(backup);
    const time = new Date(this.clock()).toISOString();
    const told: BackupRecord = record(0, operationId, {
      ...{ backupId: backup.id, bytes, files: bytes === 0 ? 0 : 1, partialBecause: reasons },
      ...{ beganAt: time, endedAt: new Date(this.clock()).toISOString() },
    });
    const outcome = reasons.length === 0 ? ('succeeded' as const) : ('partial' as const);
    const claimed = { ...claim, operationId, outcome, backup: told };
    if (!late) return this.tell(backup, claimed);
    this.late.push({ backup, claim: claimed });
    this.append(expireOperation(this.state, 'p1', { operationId, code: 'whole-limit', ...UP }));
  }

  private tell(backup: MadeBackup, claim: OperationEndedClaim): void {
    // What was told of before counts, though it is deleted since.
    const isNewest = this.made.every((other) => !other.told || this.made.indexOf(other) < this.made.indexOf(backup));
    this.end(claim);
    backup.told = true;
    if (isNewest) {
      if (backup.reasons.join() !== 'shrunken') this.run = [];
      else if (isNear(this.run.at(-1) ?? backup.bytes, backup.bytes)) this.run.push(backup.bytes);
      else this.run = [backup.bytes];
      if (this.run.length >= SMALL_ON_PURPOSE) {
        backup.accepted = true;
        this.run = [];
      }
    }
  }

  private forget({ which: index, by, end }: Extract<BackupAction, { do: 'forget' }>): void {
    const backup = this.known[index % Math.max(1, this.known.length)];
    if (backup === undefined) return;
    const good = backupToRestore(this.project) ?? backupToCompareWith(this.project);
    const params = { backupId: backup.id };
    let begun = this.begin('forget', params, { requestedBy: by === 'scheduler' ? SCHEDULER : 'admin' });
    if (begun === undefined) {
      expect(backup.id).toBe(good);
      if (by === 'scheduler') return;
      // Nothing as good was left, and somebody insists.
      const { restorable = [], good: whole = [] } = this.log.found({ choices: true });
      expect((whole.length > 0 ? whole : restorable).map(({ id }) => id)).toEqual([good]);
      begun = this.begin('forget', params, { although: 'last-good-backup' })!;
    }
    const { id: operationId, claim } = begun;
    if (end !== 'silent-there') backup.isThere = false;
    if (end === 'succeeded') return this.end({ ...claim, operationId });
    this.append(expireOperation(this.state, 'p1', { operationId, code: 'whole-limit', ...UP }));
    backup.inDoubt = true;
  }

  /** Asks for an operation and lets its first attempt begin; undefined where it is refused. */
  private begin(
    kind: Exclude<OperationKind, 'provision'>,
    params: Record<string, unknown>,
    { requestedBy = 'admin', although }: { requestedBy?: string; although?: 'last-good-backup' } = {},
  ) {
    const id = `op-${kind}-${++this.count}`;
    const request = { operationId: id, kind, params, limits: LIMITS, at: AT, by: { requestedBy }, although };
    const { events } = this.decide(() => requestOperation(this.with(lookForRequest(request)), 'p1', request));
    if (events.length === 0) return undefined;
    this.append(beginAttempt(this.state, 'p1', { ...HERE, operationId: id, attemptId: `at-${id}` }));
    const claim: OperationEndedClaim = {
      ...{ operationId: id, generation: HERE.generation, attemptId: `at-${id}` },
      ...{ kind, outcome: 'succeeded' },
    };
    return { id, claim };
  }

  private end(claim: OperationEndedClaim): void {
    this.append(endOperation(this.with(lookForClaim(claim)), HERE.hostId, claim));
  }

  private decide(decide: () => Verdict): Verdict {
    try {
      const verdict = decide();
      this.append(verdict);
      return verdict;
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      return { events: [], intents: [] };
    }
  }

  private append({ events }: Verdict): void {
    for (const event of logged(events, this.events.length)) {
      this.events.push(event);
      this.log.hear(event);
    }
  }
}

/** As the worker has it. */
function flagsOf(bytes: number, before: number): PartialReason[] {
  if (bytes === 0) return ['empty'];
  return bytes * 10 <= before ? ['shrunken'] : [];
}

const isNear = (one: number, other: number) => Math.max(one, other) <= 2 * Math.min(one, other);

export const actions = fc.array(action, { minLength: 3, maxLength: 40 });

/** Its story, and what it had come to after each action. */
export function storyOf(actions: readonly BackupAction[], moments: Iterator<number>) {
  const story = new BackupStory(() => moments.next().value as number);
  const choices = actions.map((each) => {
    story.do(each);
    return { good: backupToRestore(story.project), undecided: undecided(story.project) };
  });
  return { story, choices };
}
