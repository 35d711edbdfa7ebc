import {
  isRestorable,
  operationEvent,
  type BackupRecorded,
  type FreshnessState,
  type LoggedEvent,
  type OperationBegan,
  type OperationEnded,
  type OperationEvent,
  type OperationKind,
  type OperationRequested,
  type Outcome,
  type PartialReason,
} from '@buckets/contracts';

/** What is decided on: as little as decisions need, folded from the project's events. Plain JSON, stored as such. */
export interface ProjectState {
  ownerId: string;
  regionId: string;
  bucketId: string;
  hostId: string;
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
  /** The last backups that were deleted: a claim that comes again does not bring one back. */
  deleted?: string[];
  /** The position at which the latest backup was allowed to begin. */
  lastBackupBegan: number;
  /** The latest change from outside, if any. */
  lastOutsideChange: number;
  freshness?: { freshness: FreshnessState; staleSince?: string; coveredBy?: string; reason: string };
}

export interface OpenOperation {
  kind: OperationKind;
  generation: number;
  hostId: string;
  params: Record<string, unknown>;
  requestedAt: string;
  attempts: number;
  /** The attempt that has the say, and the position at which it was granted. */
  attemptId?: string;
  beganPosition?: number;
  /** When somebody first asked for its end. */
  cancelRequestedAt?: string;
}

export interface KnownBackup {
  operationId: string;
  beganAt: string;
  generation: number;
  partialBecause: PartialReason[];
  /** The operation that was to delete it, and ended without a word of its host: the backup may be gone. */
  maybeDeletedBy?: string;
}

const REMEMBERED_DELETIONS = 50;

type ProjectEvent = LoggedEvent<'project'>;

/** The state after one more event. Null stands for a project that does not exist. */
export function evolve(state: ProjectState | null, event: ProjectEvent): ProjectState | null {
  if (event.type === 'created') return state ?? created(event.data, event.time);
  if (state === null) return null;
  const operation = operationEvent(event.type);
  if (operation !== null) return evolveOperation(state, event, operation);
  switch (event.type) {
    case 'provisioned': {
      if (event.data.generation !== state.generation) return state;
      const { dataAttemptId: _there, ...rest } = state;
      return { ...rest, provisioned: true, hadData: true };
    }
    case 'runtime-changed':
      return { ...state, running: event.data.running };
    case 'changed':
      return { ...state, lastOutsideChange: event.position };
    case 'freshness-changed': {
      const { freshness, staleSince, coveredBy, reason } = event.data;
      return { ...state, freshness: { freshness, reason, ...defined({ staleSince, coveredBy }) } };
    }
    case 'repository-initialised':
      return { ...state, repositoryConfigId: event.data.configId };
    case 'backup-recorded':
      return { ...state, backups: { ...state.backups, [event.data.backupId]: known(event.data) } };
    case 'backup-deleted': {
      const { backupId } = event.data;
      const { [backupId]: _deleted, ...backups } = state.backups;
      return { ...state, backups, deleted: [...(state.deleted ?? []), backupId].slice(-REMEMBERED_DELETIONS) };
    }
    default:
      return state;
  }
}

function created(data: Extract<ProjectEvent, { type: 'created' }>['data'], time: string): ProjectState {
  return {
    ownerId: data.ownerId,
    regionId: data.regionId,
    bucketId: data.bucketId,
    hostId: data.hostId,
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
    operations[operationId] = { kind, generation, hostId, params, requestedAt: event.time, attempts: 0 };
    return { ...state, operations };
  }
  const open = Object.hasOwn(operations, operationId) ? operations[operationId] : undefined;
  switch (step) {
    case 'began': {
      if (open === undefined) return state;
      const { attempt, attemptId } = event.data as OperationBegan;
      operations[operationId] = { ...open, attempts: attempt, attemptId, beganPosition: event.position };
      return { ...state, operations, ...began(kind, attemptId, event.position) };
    }
    case 'cancel-requested':
      if (open === undefined) return state;
      operations[operationId] = { ...open, cancelRequestedAt: open.cancelRequestedAt ?? event.time };
      return { ...state, operations };
    default: {
      const { running } = event.data as OperationEnded;
      delete operations[operationId];
      return { ...state, operations, ...defined({ running }), ...inDoubt(state, operationId, open, step) };
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
  { backups }: ProjectState,
  operationId: string,
  open: OpenOperation | undefined,
  outcome: Outcome,
): Partial<ProjectState> {
  if (open?.kind !== 'forget' || open.attempts === 0 || outcome === 'succeeded') return {};
  const backupId = String(open.params['backupId']);
  const backup = Object.hasOwn(backups, backupId) ? backups[backupId] : undefined;
  if (backup === undefined) return {};
  return { backups: { ...backups, [backupId]: { ...backup, maybeDeletedBy: operationId } } };
}

function known(record: BackupRecorded): KnownBackup {
  return {
    operationId: record.operationId,
    beganAt: record.beganAt,
    generation: record.counter.generation,
    partialBecause: record.partialBecause,
  };
}

/**
 * The backup that the product chooses: the newest by the moment it began that holds everything, or lacks no more than
 * files that could not be read. One that is suddenly empty or shrunken is restored only when asked for by id. Clocks
 * compare on one host only: what a later assignment has backed up is newer, whatever its host's clock says.
 */
export function backupToRestore(state: ProjectState): string | null {
  const [newest] = Object.entries(state.backups)
    .filter(([id, { partialBecause }]) => isRestorable(partialBecause) && !isBeingForgotten(state, id))
    .sort(([, a], [, b]) => b.generation - a.generation || Date.parse(b.beganAt) - Date.parse(a.beganAt));
  return newest?.[0] ?? null;
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
