import {
  leavesInDoubt,
  operationEvent,
  type BackupRecord,
  type BackupRecorded,
  type ChangeCounter,
  type DamagedObjects,
  type FreshnessState,
  type LoggedEvent,
  type OperationBegan,
  type OperationEnded,
  type OperationEvent,
  type OperationKind,
  type OperationRequested,
  type ProjectCreated,
  type ProjectRecovered,
  type ProjectRole,
} from '@buckets/contracts';

/**
 * What is decided on: as little as decisions need, folded from the project's events. Plain JSON, stored as such. Nothing in
 * it grows with the project's history: what is known of its backups stands in rows of their own (`known-backup.ts`).
 */
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
  /** Of all backups that were ever recorded, the one that was allowed to begin last; absent while there is none. */
  newest?: { operationId: string; beganPosition: number };
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
  /**
   * Since when its data have had changes that no backup holds, as was stated last, or since the backup is lost that held
   * them; absent when none are known.
   */
  changedSince?: string;
  /** What was stated last to hold all of it; null when nothing does by now. Absent in states from before this was noted. */
  held?: Held | null;
  /** When the latest change from outside was, by its own word. */
  outsideChangeAt?: string;
  freshness?: { freshness: FreshnessState; staleSince?: string; coveredBy?: string; reason: string; watched?: boolean };
}

export interface Held {
  /** How far the changes had come then; absent of what was stated before this was noted. */
  at?: ChangeCounter;
  /** The backup. */
  by?: string;
}

export interface OpenOperation {
  kind: OperationKind;
  generation: number;
  hostId: string;
  params: Record<string, unknown>;
  requestedAt: string;
  requestedPosition: number;
  attempts: number;
  /** The attempt that has the say. */
  attemptId?: string;
  /** Where the first attempt was granted: a later one may find and claim what that one has made. */
  beganPosition?: number;
  /** When somebody first asked for its end. */
  cancelRequestedAt?: string;
  /** Of what may replace the data: what was known of their changes when it was first allowed to begin. */
  before?: Pick<ProjectState, 'changedSince' | 'held'>;
  /** A backup of it is recorded. */
  hasMade?: true;
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
  const isLost = lostIn(state, event);
  const next = evolveExisting(state, event);
  return isLost === undefined ? next : withoutCover(next, isLost, event.time);
}

function evolveExisting(state: ProjectState, event: ProjectEvent): ProjectState {
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
      return { ...rest, held: null, provisioned: true, hadData: true };
    }
    case 'runtime-changed':
      return { ...state, running: event.data.running };
    case 'changed':
      return { ...state, lastOutsideChange: event.position, outsideChangeAt: event.data.at };
    case 'freshness-changed': {
      const { freshness, staleSince, coveredBy, reason, watched, counter } = event.data;
      const { changedSince: before, ...rest } = state;
      const stated = { freshness, reason, ...defined({ staleSince, coveredBy, watched }) };
      // That nobody knows how it is now takes nothing back.
      const changedSince = freshness === 'unknown' ? before : staleSince;
      const fresh = freshness === 'fresh' ? defined({ at: counter, by: coveredBy }) : null;
      const held = freshness === 'unknown' ? heldOf(state) : fresh;
      return { ...rest, ...defined({ changedSince }), held, freshness: stated };
    }
    case 'repository-initialised':
      return { ...state, repositoryConfigId: event.data.configId };
    case 'backup-recorded':
      return recorded(state, event.data);
    case 'backup-accepted': {
      const { small: _over, ...rest } = state;
      return rest;
    }
    case 'repository-damaged': {
      const { total, first } = event.data;
      return { ...state, damage: { total, first } };
    }
    case 'repository-mended': {
      const { damage: _mended, ...rest } = state;
      return rest;
    }
    case 'backup-deleted':
      return { ...state, deleted: [...(state.deleted ?? []), event.data.backupId].slice(-REMEMBERED_DELETIONS) };
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
    lastBackupBegan: 0,
    lastOutsideChange: 0,
  };
}

function evolveOperation(state: ProjectState, event: ProjectEvent, { kind, step }: OperationEvent): ProjectState {
  const { operationId } = event.data as { operationId: string };
  const operations = { ...state.operations };
  if (step === 'requested') {
    const { generation, hostId, params } = event.data as OperationRequested;
    const asked = { requestedAt: event.time, requestedPosition: event.position };
    operations[operationId] = { kind, generation, hostId, params, ...asked, attempts: 0 };
    return { ...state, operations };
  }
  const open = Object.hasOwn(operations, operationId) ? operations[operationId] : undefined;
  switch (step) {
    case 'began': {
      if (open === undefined) return state;
      const { attempt, attemptId } = event.data as OperationBegan;
      const beganPosition = open.beganPosition ?? event.position;
      const { changedSince } = state;
      const isFirst = open.beganPosition === undefined && (kind === 'restore' || kind === 'start');
      const before = isFirst ? { before: { ...defined({ changedSince }), held: heldOf(state) } } : {};
      operations[operationId] = { ...open, attempts: attempt, attemptId, beganPosition, ...before };
      return { ...state, operations, ...began(kind, attemptId, event.position) };
    }
    case 'cancel-requested':
      if (open === undefined) return state;
      operations[operationId] = { ...open, cancelRequestedAt: open.cancelRequestedAt ?? event.time };
      return { ...state, operations };
    default: {
      const { running } = event.data as OperationEnded;
      delete operations[operationId];
      return { ...state, operations, ...defined({ running }), ...ended(state, operationId, open) };
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

function ended(
  { ended: before = [] }: ProjectState,
  operationId: string,
  open: OpenOperation | undefined,
): Partial<ProjectState> {
  if (open?.kind !== 'backup' || open.beganPosition === undefined || open.hasMade) return {};
  const { beganPosition } = open;
  return { ended: [...before, { operationId, beganPosition }].slice(-REMEMBERED_BACKUPS) };
}

function withoutMember(state: ProjectState, userId: string): ProjectState {
  const { [userId]: _gone, ...members } = state.members ?? {};
  const { members: _before, ...rest } = state;
  return Object.keys(members).length === 0 ? rest : { ...rest, members };
}

function recorded(state: ProjectState, backup: BackupRecorded): ProjectState {
  const { small: _before, ...rest } = state;
  const { operationId } = backup;
  const beganPosition = beganPositionOf(state, operationId);
  const open = openOperation(state, operationId);
  const operations = open && { ...state.operations, [operationId]: { ...open, hasMade: true as const } };
  const newest = beganPosition > (state.newest?.beganPosition ?? 0) ? { operationId, beganPosition } : undefined;
  return { ...rest, ...defined({ operations, newest, small: smallRunAfter(state, backup) }) };
}

/** What holds all of its data, as was stated last; null when nothing does by now. */
export function heldOf({ held, freshness }: ProjectState): Held | null {
  if (held !== undefined) return held;
  return freshness?.freshness === 'fresh' ? defined({ by: freshness.coveredBy }) : null;
}

/** Which backups an event takes away, or may have; undefined where it takes none. */
function lostIn(before: ProjectState, event: ProjectEvent): ((backupId: string) => boolean) | undefined {
  if (event.type === 'backup-deleted') return (id) => id === event.data.backupId;
  if (event.type === 'backups-damaged') {
    const { backupIds, othersBut } = event.data;
    return (id) => backupIds.includes(id) || othersBut?.includes(id) === false;
  }
  const inDoubt = maybeDeleted(before, event);
  return inDoubt && ((id) => id === inDoubt.backupId);
}

/** Nothing is held any more by a backup that is lost: not now, and not before what is under way. */
function withoutCover(state: ProjectState, isLost: (backupId: string) => boolean, time: string): ProjectState {
  const lose = <T extends Pick<ProjectState, 'changedSince' | 'held'>>(known: T): T =>
    known.held?.by !== undefined && isLost(known.held.by) ? { ...known, held: null, changedSince: time } : known;
  const operations = Object.entries(state.operations).map(([id, { before, ...open }]) => [
    id,
    before === undefined ? open : { ...open, before: lose(before) },
  ]);
  return lose({
    ...state,
    held: heldOf(state),
    operations: Object.fromEntries(operations) as ProjectState['operations'],
  });
}

/** A deletion that began and did not succeed may have deleted its backup all the same. */
export function maybeDeleted(before: ProjectState, event: ProjectEvent): { backupId: string; by: string } | undefined {
  const operation = operationEvent(event.type);
  if (operation?.kind !== 'forget') return undefined;
  const { step } = operation;
  if (step === 'requested' || step === 'began' || step === 'cancel-requested') return undefined;
  const { operationId: by, code } = event.data as OperationEnded;
  const open = openOperation(before, by);
  if (open?.kind !== 'forget' || open.attempts === 0 || !leavesInDoubt(step, code)) return undefined;
  return { backupId: String(open.params['backupId']), by };
}

/** What somebody is in a project. */
export function roleOf({ ownerId, members = {} }: ProjectState, userId: string): ProjectRole | undefined {
  if (userId === ownerId) return 'owner';
  return Object.hasOwn(members, userId) ? members[userId] : undefined;
}

/** The operation of that id, while it has not ended. */
export function openOperation({ operations }: ProjectState, operationId: string): OpenOperation | undefined {
  // Some ids are names of what every object has.
  return Object.hasOwn(operations, operationId) ? operations[operationId] : undefined;
}

/** Where a backup operation was first allowed to begin; 0 of one that is older than all that the state remembers. */
function beganPositionOf(state: ProjectState, operationId: string): number {
  const open = openOperation(state, operationId);
  if (open !== undefined) return open.beganPosition ?? 0;
  const { ended = [], newest } = state;
  const known = ended.find((each) => each.operationId === operationId);
  return (known ?? (newest?.operationId === operationId ? newest : undefined))?.beganPosition ?? 0;
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
  const { small, newest } = state;
  if (newest !== undefined && newest.beganPosition > beganPositionOf(state, operationId)) return small;
  if (partialBecause.join() !== 'shrunken') return undefined;
  return { backups: small !== undefined && isAboutTheSame(small.bytes, bytes) ? small.backups + 1 : 1, bytes };
}

function isAboutTheSame(one: number, other: number): boolean {
  return Math.max(one, other) <= ABOUT_THE_SAME * Math.min(one, other);
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
