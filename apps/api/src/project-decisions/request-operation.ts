import {
  isRestorable,
  type NewEvent,
  type NewIntent,
  type OperationKind,
  type OperationLimits,
} from '@buckets/contracts';
import { Rejection } from '../problems/rejection.js';
import { isLastGood, keptFromTheSchedule, undecided, type BackupLook, type Project } from '../state/backups-at-hand.js';
import { isBeingForgotten, openOperation, type ProjectState } from '../state/project-state.js';
import { existing, knownBackup, NOTHING, openOfKind, type Verdict } from './verdict.js';

export interface Requester {
  requestedBy: string;
  requestHash?: string;
}

export interface OperationRequest {
  operationId: string;
  kind: OperationKind;
  params: Record<string, unknown>;
  limits: OperationLimits;
  at: string;
  by: Requester;
  /** Of a start: its host has just said that the data of the project are not there. */
  dataAreMissing?: boolean;
  /** Of a deletion: somebody knows what it takes away, and wants it all the same. */
  although?: 'last-good-backup' | undefined;
}

/** The process manager: it asks on behalf of no person. */
export const SCHEDULER = 'scheduler';

/** Open operations of one project at once; beyond it, somebody's loop has run away. */
export const MAX_OPEN_OPERATIONS = 50;

/** What {@link requestOperation} goes by. */
export function lookForRequest({ kind, params }: Pick<OperationRequest, 'kind' | 'params'>): BackupLook {
  const named = params['backupId'];
  const ids = typeof named === 'string' ? { ids: [named] } : {};
  switch (kind) {
    case 'restore':
      return ids;
    case 'start':
      return named === undefined ? { choices: true } : ids;
    case 'forget':
      return { ...ids, choices: true };
    default:
      return {};
  }
}

/** Asks for a piece of work. An operation that is open already under that id is the same request again. */
export function requestOperation(state: Project | null, projectId: string, request: OperationRequest): Verdict {
  const project = existing(state, projectId);
  if (openOperation(project, request.operationId) !== undefined) return NOTHING;
  const { hostId, generation } = project;
  if (hostId === null) throw notAssigned();
  if (Object.keys(project.operations).length >= MAX_OPEN_OPERATIONS) {
    throw new Rejection(
      'too-many-operations',
      `The project has ${MAX_OPEN_OPERATIONS} open operations. Wait for some of them to end.`,
      429,
    );
  }
  ALLOWED[request.kind](project, request);
  return requested(projectId, { hostId, generation }, request);
}

/** The fact that an operation was asked for, and the intent that has it carried out. */
export function requested(
  projectId: string,
  { hostId, generation }: { hostId: string; generation: number },
  { operationId, kind, params, limits, at, by }: OperationRequest,
): Verdict {
  const { requestedBy, requestHash } = by;
  const hash = requestHash === undefined ? {} : { requestHash };
  const data = { operationId, hostId, generation, params, limits, requestedBy, ...hash };
  const intent = { ...params, operationId, generation, requestedAt: at, limits };
  return {
    events: [{ thing: 'project', type: `${kind}-requested`, data } as NewEvent<'project'>],
    intents: [{ kind, hostId, projectId, data: intent } as NewIntent],
  };
}

type Check = (project: Project, request: OperationRequest) => void;

const BRINGS_DATA: readonly OperationKind[] = ['provision', 'restore', 'start'];

/** What must be so for each kind of operation. */
const ALLOWED: Record<OperationKind, Check> = {
  provision: (project) => {
    if (project.provisioned) throw refused('project-has-data', 'The data of the project are on its host already.');
    const other = Object.values(project.operations).find(({ kind }) => BRINGS_DATA.includes(kind));
    if (other === undefined) return;
    throw refused(
      'project-gets-data',
      `A ${other.kind} is under way, which may bring the data. Wait until it has ended.`,
    );
  },

  backup: (project, { params }) => {
    if (params['consistency'] === 'stopped') mustStandStill(project);
    if (!project.provisioned) throw nothingToBackUp(project);
  },

  restore: (project, { params }) => {
    mustBeToRestore(project, params['backupId']);
    const starting = openOfKind(project, 'start') !== undefined;
    if (!project.running && !starting) return;
    throw refused(
      'project-is-running',
      `The project is ${starting ? 'being started' : 'running'}. Stop it before its data are replaced.`,
    );
  },

  start: (project, { params, dataAreMissing = false }) => {
    if (openOfKind(project, 'restore') !== undefined) {
      throw refused('project-is-being-restored', 'A restore is under way. Start the project when it has ended.');
    }
    if (params['backupId'] !== undefined) {
      mustBeToRestore(project, params['backupId']);
      return;
    }
    const choices = undecided(project);
    if (choices === null || (project.provisioned && !dataAreMissing)) return;
    throw new Rejection(
      'newer-backups-are-flagged',
      choices.newer.damaged === true
        ? 'The data of the project are not on its host, and its newest backup is damaged. Name the older one as ' +
            'backupId to go on from it, or the newer one for what can be read of that: the result says what is missing.'
        : isRestorable(choices.newer.partialBecause)
          ? 'The data of the project are not on its host, and nobody knows which of two backups is the newest, as one was ' +
            'found in its bucket after a loss of the log: name one of both as backupId.'
          : `The data of the project are not on its host, and its newest backup is suddenly ${
              choices.newer.partialBecause.includes('empty') ? 'empty' : 'shrunken'
            }. Nobody has ` +
            'said whether the project is to be like that, or as an older backup holds it: name one of both as backupId.',
      409,
      { choices },
    );
  },

  stop: () => undefined,

  forget: (project, { params, by: { requestedBy }, although }) => {
    const backupId = idOfKnown(project, params['backupId']);
    if (isBeingForgotten(project, backupId)) {
      throw refused('backup-being-deleted', 'This backup is being deleted already.');
    }
    // What it has read may be older than what is decided on here.
    if (requestedBy === SCHEDULER && keptFromTheSchedule(project).includes(backupId)) {
      throw refused(
        'last-good-backup',
        'A start may restore this backup, or there is nothing better: only a person may delete it.',
      );
    }
    if (requestedBy !== SCHEDULER && although === undefined && isLastGood(project, backupId)) {
      throw refused(
        'last-good-backup',
        'This is the last good backup of the project: without it nothing brings its data back as they were. Make another one ' +
          'first; or delete it all the same, with ?although=last-good-backup.',
      );
    }
    // A start may bring any backup back: which one is known only when it is granted.
    const user = Object.values(project.operations).find(
      ({ kind, params: used }) => kind === 'start' || used['backupId'] === backupId,
    );
    if (user === undefined) return;
    throw refused('backup-in-use', `A ${user.kind} may be using this backup. Wait until it has ended.`);
  },

  tidy: mustHaveRepository,
  verify: mustHaveRepository,
};

/** A stop that is under way comes first: the backup may find it stopped. */
function mustStandStill(project: ProjectState): void {
  const starting = openOfKind(project, 'start') !== undefined;
  if ((!project.running && !starting) || openOfKind(project, 'stop') !== undefined) return;
  throw refused(
    'project-is-running',
    `The project is ${starting ? 'being started' : 'running'}, and the backup is to be of a stopped one. Stop it first, or ` +
      'ask for a live backup.',
  );
}

/** What brings the data, if anything does, is to be waited for; what else helps depends on whether there ever were any. */
function nothingToBackUp({ operations, hadData }: ProjectState): Rejection {
  const [bringing] = Object.entries(operations).filter(([, { kind }]) => BRINGS_DATA.includes(kind));
  if (bringing === undefined) {
    return refused(
      'project-has-no-data',
      'The data of the project are not on its host, so there is nothing to back up. ' +
        (hadData
          ? 'Start or restore it first.'
          : 'Its folders were never made: what was to make them was cancelled or has failed. Start it, which makes them.'),
    );
  }
  const [operationId, { kind }] = bringing;
  return new Rejection(
    'project-has-no-data',
    kind === 'provision'
      ? 'The folders of the project are not made yet. Wait for the operation provisionOperationId to end, then ask again.'
      : `The data of the project are not on its host, and a ${kind} may bring them. Wait for the operation operationId to end, then ask again.`,
    409,
    kind === 'provision' ? { provisionOperationId: operationId } : { operationId },
  );
}

function mustHaveRepository({ repositoryConfigId }: ProjectState): void {
  if (repositoryConfigId !== undefined) return;
  throw refused('no-repository', 'The project was never backed up: it has no repository to look through.');
}

function mustBeToRestore(project: Project, id: unknown): void {
  if (!isBeingForgotten(project, idOfKnown(project, id))) return;
  throw refused('backup-being-deleted', 'This backup is being deleted. Choose another one.');
}

function idOfKnown(project: Project, id: unknown): string {
  knownBackup(project, id);
  return id as string;
}

/** Nobody can do anything for a project that has no host. */
export function notAssigned(): Rejection {
  return refused(
    'project-not-assigned',
    'The project was found in its bucket and has no host yet. Assign it to one: POST /v1/projects/{id}/assign.',
  );
}

function refused(code: string, detail: string): Rejection {
  return new Rejection(code, detail, 409);
}
