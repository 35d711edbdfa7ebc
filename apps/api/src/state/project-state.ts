import {
  isRestorable,
  leavesInDoubt,
  newestFirst,
  onceAccepted,
  operationEvent,
  type BackupRecord,
  type BackupRecorded,
  type DamagedObjects,
  type FreshnessState,
  type LoggedEvent,
  type OperationBegan,
  type OperationEnded,
  type OperationEvent,
  type OperationKind,
  type OperationRequested,
  type Outcome,
  type PartialReason,
  type Placed,
  type ProjectCreated,
  type ProjectRecovered,
  type ProjectRole,
  type RestoreChoices,
} from '@buckets/contracts';

/** What is decided on: as little as decisions need, folded from the project's events. Plain JSON, stored as such. */
export interface ProjectState {
  ownerId: string;
  /** Who else has a role in it: so many at most as `members.ts` allows. */
  members?: Record<string, ProjectRole>;
  regionId: string;
  bucketId: string;
  /** Null of a project that was found in its bucket and was not assigned since. */
  hostId: string | null;
  generation: number;
  createdAt: string;
  requestHash?: string;
  running: boolean;
  /** The data are on the host of this generation. */
  provisioned: boolean;
  /** The data were somewhere once: an empty project must never be made of it in silence. */
  hadData: boolean;
  repositoryConfigId?: string;
  /** The latest attempt that may bring the data, until they are there. A late word of it still counts. */
  dataAttemptId?: string;
  /** The latest attempt to start or stop. A late word of it still counts; one of an earlier attempt does not. */
  runtimeAttemptId?: string;
  operations: Record<string, OpenOperation>;
  backups: Record<string, KnownBackup>;
  /** Where the last operations were first allowed to begin that ended without a backup: its record may come yet. */
  ended?: { operationId: string; beganPosition: number }[];
  /** How often in a row, up to the newest backup, the project was found suddenly shrunken and about as small as before. */
  small?: SmallRun;
  /** What is known to be damaged in the repository, until it is mended. */
  damage?: DamagedObjects;
  /** The last backups that were deleted: a claim that comes again does not bring one back. */
  deleted?: string[];
  /** The position at which the latest backup was allowed to begin. */
  lastBackupBegan: number;
  /** The latest change from outside, if any. */
  lastOutsideChange: number;
  /** Since when its data have had changes that no backup holds, as was stated last; absent when none are known. */
  changedSince?: string;
  freshness?: { freshness: FreshnessState; staleSince?: string; coveredBy?: string; reason: string; watched?: boolean };
}

export interface OpenOperation {
  kind: OperationKind;
  generation: number;
  hostId: string;
  params: Record<string, unknown>;
  requestedAt: string;
  /** The backup that it was asked to restore was known to be damaged then: as much as can be read of it is wanted. */
  ofDamaged?: true;
  attempts: number;
  /** The attempt that has the say. */
  attemptId?: string;
  /** Where the first attempt was granted: a later one may find and claim what that one has made. */
  beganPosition?: number;
  /** When somebody first asked for its end. */
  cancelRequestedAt?: string;
}

export interface KnownBackup extends Placed {
  operationId: string;
  /** What is wrong with it as things stand: what was accepted is wrong no more. */
  partialBecause: PartialReason[];
  /** The operation that was to delete it, and ended without a word of its host: the backup may be gone. */
  maybeDeletedBy?: string;
  /**
   * It was found in the bucket beside backups of this log, and made under the present assignment, as after an older copy of
   * the log was put back: whether it is newer than those that were there is not known.
   */
  unplaced?: true;
  /** Something of it is lost. */
  damaged?: boolean;
}

export interface SmallRun {
  backups: number;
  /** Of the latest of them. */
  bytes: number;
}

const REMEMBERED_DELETIONS = 50;
const REMEMBERED_BACKUPS = 20;
/** Sizes are about the same when neither is more than so many times the other. */
const ABOUT_THE_SAME = 2;

type ProjectEvent = LoggedEvent<'project'>;

/** The state after one more event. Null stands for a project that does not exist. */
export function evolve(state: ProjectState | null, event: ProjectEvent): ProjectState | null {
  if (event.type === 'created') return state ?? created(event.data, event.time);
  if (event.type === 'recovered') return state ?? recovered(event.data, event.time);
  if (state === null) return null;
  const operation = operationEvent(event.type);
  if (operation !== null) return evolveOperation(state, event, operation);
  switch (event.type) {
    case 'assigned': {
      const { hostId, generation } = event.data;
      return { ...state, hostId, generation, provisioned: false, running: false };
    }
    case 'updated': {
      const { ownerId } = event.data;
      return ownerId === undefined ? state : { ...withoutMember(state, ownerId), ownerId };
    }
    case 'member-set': {
      const { userId, role } = event.data;
      return { ...state, members: { ...state.members, [userId]: role } };
    }
    case 'member-removed':
      return withoutMember(state, event.data.userId);
    case 'provisioned': {
      if (event.data.generation !== state.generation) return state;
      const { dataAttemptId: _there, changedSince: _others, ...rest } = state;
      return { ...rest, provisioned: true, hadData: true };
    }
    case 'runtime-changed':
      return { ...state, running: event.data.running };
    case 'changed':
      return { ...state, lastOutsideChange: event.position };
    case 'freshness-changed': {
      const { freshness, staleSince, coveredBy, reason, watched } = event.data;
      const { changedSince: before, ...rest } = state;
      // That nobody knows how it is now takes nothing back.
      const changedSince = freshness === 'unknown' ? before : staleSince;
      const stated = { freshness, reason, ...defined({ staleSince, coveredBy, watched }) };
      return { ...rest, ...defined({ changedSince }), freshness: stated };
    }
    case 'repository-initialised':
      return { ...state, repositoryConfigId: event.data.configId };
    case 'backup-recorded': {
      const { small: _before, ...rest } = state;
      const backups = { ...state.backups, [event.data.backupId]: known(state, event.data, event.position) };
      return { ...rest, backups, ...defined({ small: smallRunAfter(state, event.data) }) };
    }
    case 'backup-accepted': {
      const { small: _over, ...rest } = state;
      return withBackup(rest, event.data.backupId, ({ partialBecause, ...backup }) => ({
        ...backup,
        partialBecause: onceAccepted(partialBecause),
      }));
    }
    case 'backup-found':
      return withBackup(state, event.data.backupId, ({ maybeDeletedBy: _found, ...backup }) => backup);
    case 'repository-damaged': {
      const { total, first } = event.data;
      return { ...state, damage: { total, first } };
    }
    case 'repository-mended': {
      const { damage: _mended, ...rest } = state;
      return rest;
    }
    case 'backups-damaged':
      return withBackups(state, event.data.backupIds, (backup) => ({ ...backup, damaged: true }));
    case 'backups-healed':
      return withBackups(state, event.data.backupIds, ({ damaged: _healed, ...backup }) => backup);
    case 'backup-deleted': {
      const { backupId } = event.data;
      const { [backupId]: _deleted, ...backups } = state.backups;
      return { ...state, backups, deleted: [...(state.deleted ?? []), backupId].slice(-REMEMBERED_DELETIONS) };
    }
    default:
      return state;
  }
}

function created(data: ProjectCreated, time: string): ProjectState {
  return { ...fromNothing(data, time), hostId: data.hostId };
}

/** It had data once, wherever they are. */
function recovered(data: ProjectRecovered, time: string): ProjectState {
  const { repositoryConfigId } = data;
  return { ...fromNothing(data, time), hadData: true, ...defined({ repositoryConfigId }) };
}

function fromNothing(data: ProjectCreated | ProjectRecovered, time: string): ProjectState {
  return {
    ownerId: data.ownerId,
    regionId: data.regionId,
    bucketId: data.bucketId,
    hostId: null,
    generation: data.generation,
    createdAt: time,
    ...defined({ requestHash: data.requestHash }),
    running: false,
    provisioned: false,
    hadData: false,
    operations: {},
    backups: {},
    lastBackupBegan: 0,
    lastOutsideChange: 0,
  };
}

function evolveOperation(state: ProjectState, event: ProjectEvent, { kind, step }: OperationEvent): ProjectState {
  const { operationId } = event.data as { operationId: string };
  const operations = { ...state.operations };
  if (step === 'requested') {
    const { generation, hostId, params } = event.data as OperationRequested;
    const wanted = String(params['backupId']);
    const isDamaged = Object.hasOwn(state.backups, wanted) && state.backups[wanted]!.damaged === true;
    operations[operationId] = {
      ...{ kind, generation, hostId, params, requestedAt: event.time, attempts: 0 },
      ...(isDamaged && (kind === 'restore' || kind === 'start') ? { ofDamaged: true } : {}),
    };
    return { ...state, operations };
  }
  const open = Object.hasOwn(operations, operationId) ? operations[operationId] : undefined;
  switch (step) {
    case 'began': {
      if (open === undefined) return state;
      const { attempt, attemptId } = event.data as OperationBegan;
      const beganPosition = open.beganPosition ?? event.position;
      operations[operationId] = { ...open, attempts: attempt, attemptId, beganPosition };
      return { ...state, operations, ...began(kind, attemptId, event.position) };
    }
    case 'cancel-requested':
      if (open === undefined) return state;
      operations[operationId] = { ...open, cancelRequestedAt: open.cancelRequestedAt ?? event.time };
      return { ...state, operations };
    default: {
      const { running, code } = event.data as OperationEnded;
      delete operations[operationId];
      const after = { ...state, operations, ...defined({ running }) };
      return { ...after, ...ended(state, operationId, open), ...inDoubt(state, operationId, open, step, code) };
    }
  }
}

function began(kind: OperationKind, attemptId: string, position: number): Partial<ProjectState> {
  return {
    ...(kind === 'backup' ? { lastBackupBegan: position } : {}),
    ...(kind === 'provision' || kind === 'restore' || kind === 'start' ? { dataAttemptId: attemptId } : {}),
    ...(kind === 'start' || kind === 'stop' ? { runtimeAttemptId: attemptId } : {}),
  };
}

/** A deletion that began and did not succeed may have deleted its backup all the same. */
function inDoubt(
  state: ProjectState,
  operationId: string,
  open: OpenOperation | undefined,
  outcome: Outcome,
  code: string | undefined,
): Partial<ProjectState> {
  if (open?.kind !== 'forget' || open.attempts === 0 || !leavesInDoubt(outcome, code)) return {};
  const { backups } = withBackup(state, String(open.params['backupId']), (backup) => ({
    ...backup,
    maybeDeletedBy: operationId,
  }));
  return { backups };
}

function ended(
  { ended: before = [], backups }: ProjectState,
  operationId: string,
  open: OpenOperation | undefined,
): Partial<ProjectState> {
  if (open?.kind !== 'backup' || open.beganPosition === undefined || madeBy(backups, operationId)) return {};
  const { beganPosition } = open;
  return { ended: [...before, { operationId, beganPosition }].slice(-REMEMBERED_BACKUPS) };
}

function withoutMember(state: ProjectState, userId: string): ProjectState {
  const { [userId]: _gone, ...members } = state.members ?? {};
  const { members: _before, ...rest } = state;
  return Object.keys(members).length === 0 ? rest : { ...rest, members };
}

type Change = (backup: KnownBackup) => KnownBackup;

function withBackup(state: ProjectState, id: string, change: Change): ProjectState {
  return withBackups(state, [id], change);
}

function withBackups(state: ProjectState, ids: readonly string[], change: Change): ProjectState {
  const { backups } = state;
  const changed = ids.filter((id) => Object.hasOwn(backups, id)).map((id) => [id, change(backups[id]!)] as const);
  return changed.length === 0 ? state : { ...state, backups: { ...backups, ...Object.fromEntries(changed) } };
}

function known(
  state: ProjectState,
  { operationId, partialBecause, recovered: found, counter }: BackupRecorded,
  position: number,
): KnownBackup {
  const beganPosition = beganPositionOf(state, operationId);
  const hasOthers = Object.values(state.backups).some((other) => other.beganPosition > 0);
  const isUnplaced = found !== undefined && hasOthers && counter.generation >= state.generation;
  return {
    ...{ operationId, beganPosition, recordedPosition: position, partialBecause },
    ...(isUnplaced ? { unplaced: true } : {}),
  };
}

/** Where a backup operation was first allowed to begin; 0 when it ended too long ago for anybody to know. */
function beganPositionOf({ operations, ended = [], backups }: ProjectState, operationId: string): number {
  const open = Object.hasOwn(operations, operationId) ? operations[operationId] : undefined;
  const begun = open ?? ended.find((each) => each.operationId === operationId) ?? madeBy(backups, operationId);
  return begun?.beganPosition ?? 0;
}

function madeBy(backups: ProjectState['backups'], operationId: string): KnownBackup | undefined {
  return Object.values(backups).find((backup) => backup.operationId === operationId);
}

/**
 * How often in a row the project was found shrunken, once there is this backup too. Only what was read whole counts, so
 * that a disk that fails is not taken for the owner's will; an empty project never counts, as it is more likely one
 * whose data are not where they should be. A backup that began before another one says nothing new.
 */
export function smallRunAfter(
  state: ProjectState,
  { operationId, partialBecause, bytes }: Pick<BackupRecord, 'operationId' | 'partialBecause' | 'bytes'>,
): SmallRun | undefined {
  const { small, backups } = state;
  const beganPosition = beganPositionOf(state, operationId);
  if (Object.values(backups).some((other) => other.beganPosition > beganPosition)) return small;
  if (partialBecause.join() !== 'shrunken') return undefined;
  return { backups: small !== undefined && isAboutTheSame(small.bytes, bytes) ? small.backups + 1 : 1, bytes };
}

function isAboutTheSame(one: number, other: number): boolean {
  return Math.max(one, other) <= ABOUT_THE_SAME * Math.min(one, other);
}

/** A backup that is there as far as is known, by its id: none that somebody deletes, or may have deleted. */
type Candidate = KnownBackup & { id: string };

function candidates(state: ProjectState): Candidate[] {
  const all = Object.entries(state.backups).map(([id, backup]) => ({ id, ...backup }));
  return newestFirst(
    all.filter(({ id, maybeDeletedBy }) => maybeDeletedBy === undefined && !isBeingForgotten(state, id)),
  );
}

function isGood({ partialBecause, damaged }: KnownBackup): boolean {
  return damaged !== true && isRestorable(partialBecause);
}

/**
 * The backup that the product chooses: the newest that holds everything, or lacks no more than files that could not be
 * read. One that is suddenly empty or shrunken is restored only when asked for by id, or once it is accepted; one that is
 * damaged, when asked for by id.
 */
export function backupToRestore(state: ProjectState): string | null {
  return candidates(state).find(isGood)?.id ?? null;
}

/** The backup that says how large the project was, which a damaged one still does. */
export function backupToCompareWith(state: ProjectState): string | null {
  return candidates(state).find(({ partialBecause }) => isRestorable(partialBecause))?.id ?? null;
}

/**
 * What somebody has to choose from before data are restored: newer backups than the good one are flagged, or damaged, or
 * one was found in the bucket of which nobody knows whether it is newer.
 */
export function undecided(state: ProjectState): RestoreChoices | null {
  const [newest, ...others] = candidates(state);
  if (newest === undefined) return null;
  if (isGood(newest)) {
    const rival = newest.unplaced ? undefined : others.find((other) => mayBeNewer(other, newest));
    return rival === undefined ? null : choicesOf(newest, rival);
  }
  const good = others.find(isGood);
  return good === undefined ? null : choicesOf(good, newest);
}

/**
 * What only a person may delete: what a start may bring back, which is the backup that the product chooses and one of which
 * nobody knows whether it is newer; where there is none, the best of what there is.
 */
export function keptFromTheSchedule(state: ProjectState): string[] {
  const [chosen, choices] = [backupToRestore(state) ?? backupToCompareWith(state), undecided(state)];
  const rival = choices !== null && choices.newer.damaged !== true && isRestorable(choices.newer.partialBecause);
  return [...(chosen === null ? [] : [chosen]), ...(rival ? [choices.newer.backupId] : [])];
}

/** What began after it was found is newer for certain. */
function mayBeNewer(other: Candidate, newest: Candidate): boolean {
  return other.unplaced === true && other.recordedPosition > newest.beganPosition && isGood(other);
}

function choicesOf(older: Candidate, { id, partialBecause, damaged }: Candidate): RestoreChoices {
  return {
    older: { backupId: older.id },
    newer: { backupId: id, partialBecause, ...(damaged === true ? { damaged } : {}) },
  };
}

/** The backups of which something is lost, the newest first. */
export function damagedBackups({ backups }: ProjectState): string[] {
  const all = Object.entries(backups).map(([id, backup]) => ({ id, ...backup }));
  return newestFirst(all.filter(({ damaged }) => damaged === true)).map(({ id }) => id);
}

/** The backups that a deletion may have removed. */
export function backupsInDoubt({ backups }: ProjectState): string[] {
  return Object.keys(backups).filter((id) => backups[id]!.maybeDeletedBy !== undefined);
}

/** Whether somebody has asked for the backup to be deleted. */
export function isBeingForgotten({ operations }: ProjectState, backupId: string): boolean {
  return Object.values(operations).some(({ kind, params }) => kind === 'forget' && params['backupId'] === backupId);
}

function defined<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}
