import {
  isId,
  type BackupRecorded,
  type ChangeCounter,
  type FreshnessChanged,
  type NewEvent,
  type NewIntent,
  type OperationEndedClaim,
  type OperationKind,
  type ProjectCreated,
  type ProjectUpdated,
} from '@buckets/contracts';
import { Rejection } from '../decisions/rejection.js';
import { type OpenOperation, type ProjectState } from './project-state.js';

/** What follows from a command or a claim: nothing, or facts with the intents that carry them out. */
export interface Verdict {
  events: NewEvent<'project'>[];
  intents: NewIntent[];
}

/** Open operations of one project at once; beyond it, somebody's loop has run away. */
export const MAX_OPEN_OPERATIONS = 50;

const NOTHING: Verdict = { events: [], intents: [] };

export interface Requester {
  requestedBy: string;
  requestHash?: string;
}

/** A project begins with its data being made on its host. */
export function createProject(
  state: ProjectState | null,
  command: { projectId: string; data: ProjectCreated; operationId: string; adopt: boolean; at: string },
): Verdict {
  const { projectId, data, operationId, adopt, at } = command;
  if (state !== null) {
    if (data.requestHash !== undefined && state.requestHash === data.requestHash) return NOTHING;
    throw new Rejection('project-exists', `There is a project ${projectId} already.`, 409);
  }
  const request = { operationId, kind: 'provision' as const, params: { adopt }, at, by: data };
  const first = operation(projectId, { hostId: data.hostId, generation: data.generation }, request);
  return { events: [{ thing: 'project', type: 'created', data }, ...first.events], intents: first.intents };
}

export function updateProject(state: ProjectState | null, projectId: string, data: ProjectUpdated): Verdict {
  existing(state, projectId);
  return { events: [{ thing: 'project', type: 'updated', data }], intents: [] };
}

export interface OperationRequest {
  operationId: string;
  kind: Exclude<OperationKind, 'provision'>;
  params: Record<string, unknown>;
  at: string;
  by: Requester;
}

/** Asks for a piece of work. An operation that is open already under that id is the same request again. */
export function requestOperation(state: ProjectState | null, projectId: string, request: OperationRequest): Verdict {
  const project = existing(state, projectId);
  if (project.operations[request.operationId] !== undefined) return NOTHING;
  if (Object.keys(project.operations).length >= MAX_OPEN_OPERATIONS) {
    throw new Rejection(
      'too-many-operations',
      `The project has ${MAX_OPEN_OPERATIONS} open operations. Wait for some of them to end.`,
      429,
    );
  }
  checkAllowed(project, request);
  return operation(projectId, project, request);
}

function checkAllowed(project: ProjectState, { kind, params }: OperationRequest): void {
  if (kind === 'backup' && !project.provisioned) {
    throw new Rejection(
      'project-has-no-data',
      'The data of the project are not on its host, so there is nothing to back up. Start or restore it first.',
      409,
    );
  }
  if (kind === 'restore') {
    knownBackup(project, params['backupId']);
    const starting = openOfKind(project, 'start') !== undefined;
    if (project.running || starting) {
      throw new Rejection(
        'project-is-running',
        `The project is ${starting ? 'being started' : 'running'}. Stop it before its data are replaced.`,
        409,
      );
    }
  }
  if (kind === 'start' && openOfKind(project, 'restore') !== undefined) {
    throw new Rejection(
      'project-is-being-restored',
      'A restore is under way. Start the project when it has ended.',
      409,
    );
  }
  if (kind === 'forget') {
    const backupId = knownBackup(project, params['backupId']);
    const user = Object.values(project.operations).find(({ params: used }) => used['backupId'] === backupId);
    if (user !== undefined) {
      throw new Rejection('backup-in-use', `A ${user.kind} is using this backup. Wait until it has ended.`, 409);
    }
  }
}

function operation(
  projectId: string,
  { hostId, generation }: { hostId: string; generation: number },
  request: Omit<OperationRequest, 'kind'> & { kind: OperationKind },
): Verdict {
  const { operationId, kind, params, at, by } = request;
  const { requestedBy, requestHash } = by;
  return {
    events: [
      {
        thing: 'project',
        type: `${kind}-requested`,
        data: {
          operationId,
          hostId,
          generation,
          params,
          requestedBy,
          ...(requestHash === undefined ? {} : { requestHash }),
        },
      } as NewEvent<'project'>,
    ],
    intents: [{ kind, hostId, projectId, data: { operationId, generation, requestedAt: at, ...params } } as NewIntent],
  };
}

/** Who speaks for a host: a message from elsewhere never gets here. */
export interface Attempt {
  hostId: string;
  generation: number;
  operationId: string;
  attemptId: string;
}

/** Lets an attempt begin, once for each attempt id. @throws {Rejection} when host, generation or operation are not the current ones */
export function beginAttempt(
  state: ProjectState | null,
  projectId: string,
  attempt: Attempt,
): Verdict & { attempt: number } {
  const open = current(state, projectId, attempt);
  if (open.attemptId === attempt.attemptId) return { ...NOTHING, attempt: open.attempts };
  const next = open.attempts + 1;
  const { operationId, hostId, attemptId } = attempt;
  return {
    attempt: next,
    events: [
      {
        thing: 'project',
        type: `${open.kind}-began`,
        data: { operationId, hostId, attempt: next, attemptId },
      } as NewEvent<'project'>,
    ],
    intents: [],
  };
}

/** Whether an attempt still has the say, right before a step that cannot be undone. @throws {Rejection} when not */
export function confirmAttempt(state: ProjectState | null, projectId: string, attempt: Attempt): void {
  const open = current(state, projectId, attempt);
  if (open.attemptId !== attempt.attemptId) throw overtaken('another attempt has begun since');
}

/** The first to state it wins; everybody gets to know which repository it is. */
export function initialiseRepository(
  state: ProjectState | null,
  projectId: string,
  attempt: Attempt,
  configId: string,
): Verdict & { configId: string } {
  current(state, projectId, attempt);
  const known = state?.repositoryConfigId;
  if (known !== undefined) return { ...NOTHING, configId: known };
  const data = { configId, operationId: attempt.operationId };
  return { configId, events: [{ thing: 'project', type: 'repository-initialised', data }], intents: [] };
}

/**
 * Turns a host's word into facts. A host that has no say changes nothing, and that is stated; a backup that exists is
 * a fact of its own, whatever became of its operation; an operation ends once.
 */
export function endOperation(
  state: ProjectState | null,
  projectId: string,
  hostId: string,
  claim: OperationEndedClaim,
): Verdict {
  if (state === null) return NOTHING;
  const objection = objectionTo(state, hostId, claim);
  if (objection !== null) {
    const data = { hostId, claim: `${claim.kind}-${claim.outcome}`, reason: objection, operationId: claim.operationId };
    return { events: [{ thing: 'project', type: 'claim-rejected', data }], intents: [] };
  }
  const events: NewEvent<'project'>[] = [];
  if (claim.backup !== undefined && state.backups[claim.backup.backupId] === undefined) {
    events.push({ thing: 'project', type: 'backup-recorded', data: { ...claim.backup, hostId } as BackupRecorded });
  }
  const open = state.operations[claim.operationId];
  if (open === undefined || open.attemptId !== claim.attemptId) return { events, intents: [] };
  if (claim.provisioned !== undefined) {
    events.push({ thing: 'project', type: 'provisioned', data: claim.provisioned });
  }
  if (open.kind === 'forget' && claim.outcome === 'succeeded') {
    const backupId = String(open.params['backupId']);
    events.push({ thing: 'project', type: 'backup-deleted', data: { backupId, operationId: claim.operationId } });
  }
  const { operationId, outcome, code, reason, result, running } = claim;
  events.push({
    thing: 'project',
    type: `${open.kind}-${outcome}`,
    data: {
      operationId,
      attempt: open.attempts,
      ...(code === undefined ? {} : { code }),
      ...(reason === undefined ? {} : { reason }),
      ...(result === undefined ? {} : { result }),
      ...(running === undefined ? {} : { running }),
    },
  } as NewEvent<'project'>);
  return { events, intents: [] };
}

function objectionTo(state: ProjectState, hostId: string, claim: OperationEndedClaim): string | null {
  if (state.hostId !== hostId || state.generation !== claim.generation) {
    return `the project belongs to generation ${state.generation} on another assignment`;
  }
  const open = state.operations[claim.operationId];
  if (open !== undefined && open.kind !== claim.kind) return `the operation is a ${open.kind}`;
  if (claim.backup !== undefined && claim.kind !== 'backup') return `a ${claim.kind} makes no backup`;
  if (claim.backup !== undefined && claim.backup.operationId !== claim.operationId)
    return 'the backup is of another operation';
  if (claim.backup !== undefined && !sameGeneration(claim.backup.counter, claim.generation)) {
    return 'the backup is of another generation';
  }
  return null;
}

function sameGeneration(counter: ChangeCounter, generation: number): boolean {
  return counter.generation === generation;
}

/**
 * A change reported from outside the host. Only the first since a backup began is a fact: the later ones say nothing
 * more, as no backup covers that first one either.
 */
export function reportChange(
  state: ProjectState | null,
  projectId: string,
  change: { source: string; at: string },
): Verdict {
  const project = existing(state, projectId);
  if (project.lastOutsideChange > project.lastBackupBegan) return NOTHING;
  return { events: [{ thing: 'project', type: 'changed', data: change }], intents: [] };
}

/** A transition of freshness, unless the project has moved on or the statement says nothing new. */
export function stateFreshness(
  state: ProjectState | null,
  projectId: string,
  generation: number,
  data: FreshnessChanged,
): Verdict {
  const project = existing(state, projectId);
  if (project.generation !== generation) {
    throw new Rejection('generation-moved', `The project has generation ${project.generation} by now.`, 409);
  }
  const last = project.freshness;
  const same =
    last !== undefined &&
    last.freshness === data.freshness &&
    last.staleSince === data.staleSince &&
    last.coveredBy === data.coveredBy &&
    last.reason === data.reason;
  return same ? NOTHING : { events: [{ thing: 'project', type: 'freshness-changed', data }], intents: [] };
}

function existing(state: ProjectState | null, projectId: string): ProjectState {
  if (state === null) throw new Rejection('project-not-found', `There is no project ${shown(projectId)}.`, 404);
  return state;
}

function knownBackup(project: ProjectState, backupId: unknown): string {
  if (typeof backupId === 'string' && Object.hasOwn(project.backups, backupId)) return backupId;
  throw new Rejection('backup-not-found', 'This project has no such backup.', 404);
}

function openOfKind(project: ProjectState, kind: OperationKind): OpenOperation | undefined {
  return Object.values(project.operations).find((open) => open.kind === kind);
}

function current(state: ProjectState | null, projectId: string, attempt: Attempt): OpenOperation {
  const project = existing(state, projectId);
  if (project.hostId !== attempt.hostId || project.generation !== attempt.generation) {
    throw overtaken('the project is assigned elsewhere');
  }
  const open = Object.hasOwn(project.operations, attempt.operationId)
    ? project.operations[attempt.operationId]
    : undefined;
  if (open === undefined || open.generation !== attempt.generation) {
    throw new Rejection('operation-ended', 'The operation has ended.', 409);
  }
  return open;
}

function overtaken(why: string): Rejection {
  return new Rejection('overtaken', `This host has no say in it: ${why}.`, 409);
}

function shown(id: string): string {
  return isId(id) ? id : 'of that name';
}
