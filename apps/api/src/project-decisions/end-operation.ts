import {
  momentAt,
  type BackupRecorded,
  type NewEvent,
  type OperationEnded,
  type OperationEndedClaim,
  type Outcome,
  type ReplacedData,
} from '@buckets/contracts';
import { covers } from '@buckets/freshness';
import type { BackupLook, Project } from '../state/backups-at-hand.js';
import { heldOf, openOperation, smallRunAfter, type OpenOperation, type ProjectState } from '../state/project-state.js';
import { findingsOf, lookForFindings } from './repository-findings.js';
import { facts, NOTHING, type Verdict } from './verdict.js';

/** So many backups in a row that were read whole and are about as small say that the project is meant to be so small. */
export const SMALL_ON_PURPOSE = 3;
/** The code of the end of an operation whose host has claimed what cannot be. */
export const IMPOSSIBLE_CLAIM = 'impossible-claim';

/** What {@link endOperation} goes by. */
export function lookForClaim({ operationId, kind, backup, result }: OperationEndedClaim): BackupLook {
  const { there = [], gone = [] } = result?.lookedFor ?? {};
  const { ids = [], ...findings } = lookForFindings(result?.repository);
  const named = [...(backup === undefined ? [] : [backup.backupId]), ...there, ...gone, ...ids];
  return {
    ...(named.length === 0 ? {} : { ids: named }),
    ...(kind === 'forget' ? { deletion: operationId } : {}),
    ...findings,
  };
}

/**
 * Turns a host's word into facts. A host that has no say changes nothing, and that is stated; an operation ends once.
 * What a host did for an operation that others have ended is a fact all the same: a backup, data, a process that runs.
 * What the attempt that has the say claims against all sense ends its operation as failed: nobody would end it otherwise.
 */
export function endOperation(state: Project | null, hostId: string, claim: OperationEndedClaim): Verdict {
  if (state === null) return NOTHING;
  if (state.hostId !== hostId || state.generation !== claim.generation) {
    return facts(
      rejection(hostId, claim, `the project belongs to generation ${state.generation} on another assignment`),
    );
  }
  const open = openOperation(state, claim.operationId);
  const hasTheSay = open !== undefined && open.attemptId === claim.attemptId;
  const objection = objectionTo(claim, open);
  if (objection !== null) {
    const rejected = rejection(hostId, claim, objection);
    if (!hasTheSay) return facts(rejected);
    const reason = `The host has claimed what cannot be: ${objection}. The log of the host tells more.`;
    return facts(rejected, ended(claim, open, 'failed', { code: IMPOSSIBLE_CLAIM, reason }));
  }
  const recorded = newBackup(state, hostId, claim);
  if (open === undefined) return facts(...recorded, ...lateFacts(state, claim));
  if (!hasTheSay) return facts(...recorded);
  const { code, reason, running, left } = claim;
  const result = withWhatIsLost(claim, state, open);
  return facts(
    ...recorded,
    ...newData(claim),
    ...lostBackup(state, claim, open),
    ...settledDoubts(state, claim),
    ...findingsOf(state, claim),
    ended(claim, open, claim.outcome, { code, reason, result, running, left }),
  );
}

/**
 * What became so after the operation had been ended by others. A claim may also come again, long after: the word of an
 * attempt that a later one of its kind has followed says nothing of how things are now.
 */
function lateFacts(state: Project, claim: OperationEndedClaim): NewEvent<'project'>[] {
  const { kind, outcome, operationId, attemptId, running } = claim;
  const isLastWordOnData = !state.provisioned || state.dataAttemptId === attemptId;
  const isLastWordOnRuntime = state.runtimeAttemptId === attemptId;
  const deleted = kind === 'forget' && outcome === 'succeeded' ? state.backups.ofDeletion(operationId) : undefined;
  return [
    ...(isLastWordOnData ? newData(claim) : []),
    ...(deleted === undefined ? [] : [deletion(deleted.id, operationId)]),
    ...(isLastWordOnRuntime && running !== undefined && running !== state.running
      ? [{ thing: 'project', type: 'runtime-changed', data: { operationId, running } } as const]
      : []),
  ];
}

function newBackup(state: Project, hostId: string, { backup }: OperationEndedClaim): NewEvent<'project'>[] {
  if (backup === undefined || state.backups.has(backup.backupId)) return [];
  if (state.deleted?.includes(backup.backupId)) return [];
  const recorded = { thing: 'project', type: 'backup-recorded', data: { ...backup, hostId } satisfies BackupRecorded };
  const { backupId } = backup;
  const staysSmall = (smallRunAfter(state, backup)?.backups ?? 0) >= SMALL_ON_PURPOSE;
  return [
    recorded as NewEvent<'project'>,
    ...(staysSmall
      ? [{ thing: 'project', type: 'backup-accepted', data: { backupId, because: 'stayed-small' } } as const]
      : []),
  ];
}

function newData({ provisioned }: OperationEndedClaim): NewEvent<'project'>[] {
  return provisioned === undefined ? [] : [{ thing: 'project', type: 'provisioned', data: provisioned }];
}

/** Of changes that no backup held only the control plane knows: no host says so. */
function withWhatIsLost(
  { result }: OperationEndedClaim,
  state: ProjectState,
  open: OpenOperation,
): OperationEndedClaim['result'] {
  if (result?.restore === undefined) return result;
  const { changesLostSince: _said, replaced, ...restore } = result.restore;
  const changesLostSince = lostSince(replaced, state, open);
  return { ...result, restore: { ...restore, ...(changesLostSince && { changesLostSince }) } };
}

/**
 * Since when the data that were replaced had changes that no backup held. It is what was known before the restore began,
 * and what its host knew right before the switch: what is stated later speaks of the swap itself, and of the data that
 * stand there now.
 */
function lostSince(replaced: ReplacedData | undefined, state: ProjectState, open: OpenOperation): string | undefined {
  // What began under an earlier version has noted nothing.
  const { before = state } = open;
  if (replaced === undefined) return before.changedSince;
  const isChangedOutside = state.lastOutsideChange > state.lastBackupBegan;
  const [heldBefore, heldNow] = [before.held === undefined ? heldOf(state) : before.held, state.held];
  const held = [heldBefore?.at, heldNow?.at].filter((each) => each !== undefined);
  // Of what was fresh before it was noted how far the changes had come, it is not known better.
  const isHeld = held.length === 0 ? heldBefore !== null : held.some((counter) => covers(counter, replaced));
  if (isHeld) return isChangedOutside ? state.outsideChangeAt : undefined;
  if (before.changedSince !== undefined) return before.changedSince;
  const first = replaced.firstChanges.find(({ epoch, n }) => held.some((at) => at.epoch === epoch && at.n === n));
  if (first !== undefined) return momentAt(first.at);
  return (isChangedOutside ? state.outsideChangeAt : undefined) ?? state.changedSince ?? momentAt(replaced.at);
}

function lostBackup(
  { backups }: Project,
  { operationId, outcome }: OperationEndedClaim,
  { kind }: OpenOperation,
): NewEvent<'project'>[] {
  const lost = kind === 'forget' && outcome === 'succeeded' ? backups.ofDeletion(operationId) : undefined;
  return lost === undefined ? [] : [deletion(lost.id, operationId)];
}

/** What a look into the repository says of backups that a deletion may have removed. */
function settledDoubts(
  { backups }: Project,
  { kind, operationId, result }: OperationEndedClaim,
): NewEvent<'project'>[] {
  const { there = [], gone = [] } = (kind === 'tidy' && result?.lookedFor) || {};
  const isBoth = (id: string): boolean => gone.includes(id) && there.includes(id);
  return [...new Set([...gone, ...there])].flatMap((backupId) => {
    const deletedBy = backups.get(backupId)?.maybeDeletedBy;
    if (deletedBy === undefined || isBoth(backupId)) return [];
    if (gone.includes(backupId)) return [deletion(backupId, deletedBy)];
    return [{ thing: 'project', type: 'backup-found', data: { backupId, operationId } } as const];
  });
}

function deletion(backupId: string, operationId: string): NewEvent<'project'> {
  return { thing: 'project', type: 'backup-deleted', data: { backupId, operationId } };
}

function ended(
  { operationId }: OperationEndedClaim,
  { kind, attempts }: OpenOperation,
  outcome: Outcome,
  about: Partial<OperationEnded>,
): NewEvent<'project'> {
  const said = Object.entries(about).filter(([, value]) => value !== undefined);
  const data = { operationId, attempt: attempts, ...Object.fromEntries(said) };
  return { thing: 'project', type: `${kind}-${outcome}`, data } as NewEvent<'project'>;
}

function rejection(
  hostId: string,
  { kind, outcome, operationId }: OperationEndedClaim,
  reason: string,
): NewEvent<'project'> {
  const data = { hostId, claim: `${kind}-${outcome}`, reason, operationId };
  return { thing: 'project', type: 'claim-rejected', data };
}

/** What contradicts itself, or what is known. */
function objectionTo(claim: OperationEndedClaim, open: OpenOperation | undefined): string | null {
  const { kind, outcome, operationId, generation, backup, provisioned, running } = claim;
  if (open !== undefined && open.kind !== kind) return `the operation is a ${open.kind}`;
  if (outcome === 'expired') return 'it is not for a host to say that time is up';
  if (outcome === 'cancelled' && open !== undefined && open.cancelRequestedAt === undefined) {
    return 'nobody has cancelled it';
  }
  if (backup !== undefined) {
    if (kind !== 'backup') return `a ${kind} makes no backup`;
    if (backup.operationId !== operationId) return 'the backup is of another operation';
    if (backup.counter.generation !== generation) return 'the backup is of another generation';
  }
  if (kind === 'backup' && (outcome === 'succeeded' || outcome === 'partial')) {
    if (backup === undefined) return 'there is no backup with it';
    if (backup.partialBecause.length > 0 !== (outcome === 'partial')) return 'the backup is not what it says';
  }
  const found = claim.result?.repository;
  if (found !== undefined && (kind === 'provision' || kind === 'stop')) return `a ${kind} looks into no repository`;
  if (kind === 'verify' && outcome === 'succeeded') {
    if (found === undefined) return 'nothing was looked at';
    if (found.total > 0 || found.damaged.length > 0 || found.others === 'damaged')
      return 'what is damaged is not as it should be';
  }
  if (provisioned !== undefined) {
    if (!['provision', 'restore', 'start'].includes(kind)) return `a ${kind} brings no data`;
    if (provisioned.operationId !== operationId) return 'the data were brought by another operation';
    if (provisioned.generation !== generation) return 'the data are of another generation';
  }
  if (running !== undefined && kind !== 'start' && kind !== 'stop') return `a ${kind} starts and stops nothing`;
  return null;
}
