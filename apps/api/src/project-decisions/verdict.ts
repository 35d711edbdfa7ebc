import { isId, type NewEvent, type NewIntent, type OperationKind } from '@buckets/contracts';
import { projectNotFound } from '../problems/not-there.js';
import { Rejection } from '../problems/rejection.js';
import type { KnownBackup, OpenOperation, ProjectState } from '../state/project-state.js';

/** What follows from a command or a claim: nothing, or facts with the intents that carry them out. */
export interface Verdict {
  events: NewEvent<'project'>[];
  intents: NewIntent[];
}

export const NOTHING: Verdict = { events: [], intents: [] };

export function facts(...events: NewEvent<'project'>[]): Verdict {
  return { events, intents: [] };
}

/** @throws {Rejection} `project-not-found` */
export function existing(state: ProjectState | null, projectId: string): ProjectState {
  if (state !== null) return state;
  throw projectNotFound(isId(projectId) ? projectId : 'of that name');
}

/** The operation of that id, while it has not ended. */
export function openOperation(project: ProjectState, operationId: string): OpenOperation | undefined {
  // Some ids are names of what every object has.
  return Object.hasOwn(project.operations, operationId) ? project.operations[operationId] : undefined;
}

/** @throws {Rejection} `backup-not-found` */
export function knownBackup({ backups }: ProjectState, backupId: unknown): KnownBackup {
  if (typeof backupId === 'string' && Object.hasOwn(backups, backupId)) return backups[backupId]!;
  throw new Rejection('backup-not-found', 'This project has no such backup.', 404);
}

export function openOfKind(project: ProjectState, kind: OperationKind): OpenOperation | undefined {
  return Object.values(project.operations).find((open) => open.kind === kind);
}
