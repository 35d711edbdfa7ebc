import type { KnownBackups, NewEvent, UnknownBackups } from '@buckets/contracts';
import { Rejection } from '../problems/rejection.js';
import type { BackupLook, Project } from '../state/backups-at-hand.js';
import { openOperation, type OpenOperation, type ProjectState } from '../state/project-state.js';
import { existing, facts, NOTHING, type Verdict } from './verdict.js';

/** Who speaks for a host: a message from elsewhere never gets here. */
export interface Attempt {
  hostId: string;
  generation: number;
  operationId: string;
  attemptId: string;
}

/** What is told of an attempt for people to see. */
export interface Begun extends Attempt {
  workerId?: string;
  previousFailure?: string;
}

/** An operation that has been begun so often and never ended takes its host down each time. */
export const MAX_ATTEMPTS = 25;
/** The code of its end, which is no word of its host. */
export const TOO_MANY_ATTEMPTS = 'too-many-attempts';

/**
 * Lets an attempt begin, once for each attempt id; `attempt` is its number, from 1. After too many the operation has
 * failed, and `attempt` is null.
 *
 * @throws {Rejection} when host, generation or operation are not the current ones
 */
export function beginAttempt(
  state: ProjectState | null,
  projectId: string,
  attempt: Begun,
): Verdict & { attempt: number | null } {
  const open = current(state, projectId, attempt);
  if (open.attemptId === attempt.attemptId) return { ...NOTHING, attempt: open.attempts };
  const { operationId, hostId, attemptId, workerId, previousFailure } = attempt;
  if (open.attempts >= MAX_ATTEMPTS) {
    const reason = `It was begun ${MAX_ATTEMPTS} times and never came to an end. The log of its host tells why.`;
    const data = { operationId, attempt: open.attempts, code: TOO_MANY_ATTEMPTS, reason };
    return { attempt: null, ...facts({ thing: 'project', type: `${open.kind}-failed`, data } as NewEvent<'project'>) };
  }
  const next = open.attempts + 1;
  const data = {
    operationId,
    hostId,
    attempt: next,
    attemptId,
    ...(workerId === undefined ? {} : { workerId }),
    ...(previousFailure === undefined ? {} : { previousFailure }),
  };
  return { attempt: next, ...facts({ thing: 'project', type: `${open.kind}-began`, data } as NewEvent<'project'>) };
}

/**
 * Whether an attempt still has the say, right before a step that cannot be undone. One whose end somebody has asked for
 * takes no such step any more.
 *
 * @throws {Rejection} when not
 */
export function confirmAttempt(state: ProjectState | null, projectId: string, attempt: Attempt): void {
  const open = withTheSay(state, projectId, attempt);
  if (open.cancelRequestedAt === undefined) return;
  throw new Rejection('cancel-requested', 'The operation is to end: somebody has cancelled it.', 409);
}

/** Snapshots in a project's repository, and the operations that they name as their makers. */
export interface SnapshotsInQuestion {
  backupIds: readonly string[];
  operationIds?: readonly string[];
}

/**
 * Which of these snapshots are no backups of the project, for the attempt that has the say, and of which of their makers
 * it is known how they ended. A host of an earlier version, which does not say who made them, would remove all that are
 * none: it is told of none.
 *
 * @param ended those of the operations that are the project's and have ended, as their host said
 */
export function unknownBackups(
  state: Project | null,
  projectId: string,
  attempt: Attempt,
  { backupIds, operationIds }: SnapshotsInQuestion,
  ended: ReadonlySet<string>,
): UnknownBackups {
  withTheSay(state, projectId, attempt);
  const { backups, operations } = existing(state, projectId);
  const isOpen = (id: string): boolean => Object.hasOwn(operations, id);
  return {
    backupIds: operationIds === undefined ? [] : backupIds.filter((id) => !backups.has(id)),
    openOperations: Object.keys(operations),
    endedOperations: (operationIds ?? []).filter((id) => ended.has(id) && !isOpen(id)),
  };
}

const KNOWN_AT_ONCE = 500;

/** What {@link knownBackups} goes by. */
export function lookForKnown(after = ''): BackupLook {
  return { page: { after, most: KNOWN_AT_ONCE + 1 } };
}

/** A page of the backups of the project, in the order of their ids, for the attempt that has the say. */
export function knownBackups(state: Project | null, projectId: string, attempt: Attempt): KnownBackups {
  withTheSay(state, projectId, attempt);
  const left = existing(state, projectId).backups.some('page');
  const backupIds = left.slice(0, KNOWN_AT_ONCE).map(({ id }) => id);
  return { backupIds, ...(left.length > KNOWN_AT_ONCE ? { next: backupIds.at(-1)! } : {}) };
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
  return { configId, ...facts({ thing: 'project', type: 'repository-initialised', data }) };
}

function withTheSay(state: ProjectState | null, projectId: string, attempt: Attempt): OpenOperation {
  const open = current(state, projectId, attempt);
  if (open.attemptId !== attempt.attemptId) throw overtaken('another attempt has begun since');
  return open;
}

function current(state: ProjectState | null, projectId: string, attempt: Attempt): OpenOperation {
  const project = existing(state, projectId);
  if (project.hostId !== attempt.hostId || project.generation !== attempt.generation) {
    throw overtaken('the project is assigned elsewhere');
  }
  const open = openOperation(project, attempt.operationId);
  if (open === undefined || open.generation !== attempt.generation) {
    throw new Rejection('operation-ended', 'The operation has ended.', 409);
  }
  return open;
}

function overtaken(why: string): Rejection {
  return new Rejection('overtaken', `This host has no say in it: ${why}.`, 409);
}
