import type {
  BackupRecorded,
  FreshnessState,
  LoggedEvent,
  OperationBegan,
  OperationEnded,
  OperationKind,
  OperationRequested,
  Outcome,
  PartialReason,
} from '@buckets/contracts';
import { OPERATION_KINDS, OUTCOMES } from '@buckets/contracts';

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
  operations: Record<string, OpenOperation>;
  backups: Record<string, KnownBackup>;
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
}

export interface KnownBackup {
  operationId: string;
  beganAt: string;
  generation: number;
  partialBecause: PartialReason[];
}

type ProjectEvent = LoggedEvent<'project'>;

/** The state after one more event. Null stands for a project that does not exist. */
export function evolve(state: ProjectState | null, event: ProjectEvent): ProjectState | null {
  if (event.type === 'created') return state ?? created(event.data, event.time);
  if (state === null) return null;
  const operation = operationEvent(event.type);
  if (operation !== null) return evolveOperation(state, event, operation);
  switch (event.type) {
    case 'provisioned':
      return event.data.generation === state.generation ? { ...state, provisioned: true, hadData: true } : state;
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
      const { [event.data.backupId]: _deleted, ...backups } = state.backups;
      return { ...state, backups };
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
  const operations = { ...state.operations };
  if (step === 'requested') {
    const { operationId, generation, hostId, params } = event.data as OperationRequested;
    operations[operationId] = { kind, generation, hostId, params, requestedAt: event.time, attempts: 0 };
    return { ...state, operations };
  }
  if (step === 'began') {
    const { operationId, attempt, attemptId } = event.data as OperationBegan;
    const open = operations[operationId];
    if (open === undefined) return state;
    operations[operationId] = { ...open, attempts: attempt, attemptId, beganPosition: event.position };
    return { ...state, operations, ...(kind === 'backup' ? { lastBackupBegan: event.position } : {}) };
  }
  const { operationId, running } = event.data as OperationEnded;
  delete operations[operationId];
  return { ...state, operations, ...defined({ running }) };
}

function known(record: BackupRecorded): KnownBackup {
  return {
    operationId: record.operationId,
    beganAt: record.beganAt,
    generation: record.counter.generation,
    partialBecause: record.partialBecause,
  };
}

export interface OperationEvent {
  kind: OperationKind;
  step: 'requested' | 'began' | Outcome;
}

const OPERATION_EVENTS: ReadonlyMap<string, OperationEvent> = new Map(
  OPERATION_KINDS.flatMap((kind) =>
    (['requested', 'began', ...OUTCOMES] as const).map((step) => [`${kind}-${step}`, { kind, step }] as const),
  ),
);

/** Which step of which kind of operation an event's type stands for, if any. */
export function operationEvent(type: string): OperationEvent | null {
  return OPERATION_EVENTS.get(type) ?? null;
}

/**
 * The backup that the product chooses: the newest by the moment it began that holds everything, or lacks no more than
 * files that could not be read. One that is suddenly empty or shrunken is restored only when asked for by id. Clocks
 * compare on one host only: what a later assignment has backed up is newer, whatever its host's clock says.
 */
export function backupToRestore(state: ProjectState): string | null {
  const [newest] = Object.entries(state.backups)
    .filter(([id, backup]) => backup.partialBecause.every(isHarmless) && !isBeingForgotten(state, id))
    .sort(([, a], [, b]) => b.generation - a.generation || Date.parse(b.beganAt) - Date.parse(a.beganAt));
  return newest?.[0] ?? null;
}

function isHarmless(reason: PartialReason): boolean {
  return reason === 'unreadable-files';
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
