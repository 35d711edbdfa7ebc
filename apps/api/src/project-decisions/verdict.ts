import { isId, type NewEvent, type NewIntent, type OperationKind } from '@buckets/contracts';
import { projectNotFound } from '../problems/not-there.js';
import { Rejection } from '../problems/rejection.js';
import type { Project } from '../state/backups-at-hand.js';
import type { KnownBackup } from '../state/known-backup.js';
import type { OpenOperation, ProjectState } from '../state/project-state.js';

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
export function existing<State extends ProjectState>(state: State | null, projectId: string): State {
  if (state !== null) return state;
  throw projectNotFound(isId(projectId) ? projectId : 'of that name');
}

/** @throws {Rejection} `backup-not-found` */
export function knownBackup({ backups }: Project, backupId: unknown): KnownBackup {
  const known = typeof backupId === 'string' ? backups.get(backupId) : undefined;
  if (known !== undefined) return known;
  throw new Rejection('backup-not-found', 'This project has no such backup.', 404);
}

export function openOfKind(project: ProjectState, kind: OperationKind): OpenOperation | undefined {
  return Object.values(project.operations).find((open) => open.kind === kind);
}
