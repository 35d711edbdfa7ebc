import type { BackupRecorded, NewEvent, ProjectRecovered } from '@buckets/contracts';
import { Rejection } from '../problems/rejection.js';
import type { BackupLook, Project } from '../state/backups-at-hand.js';
import type { ProjectState } from '../state/project-state.js';
import { facts, NOTHING, type Verdict } from './verdict.js';

/** What was found of a project in its bucket. */
export interface FoundProject {
  project: ProjectRecovered;
  /** The oldest first: a later one counts as newer. */
  backups: readonly BackupRecorded[];
}

/** What {@link recoverProject} goes by. */
export function lookForFound({ backups }: FoundProject): BackupLook {
  return { ids: backups.map(({ backupId }) => backupId) };
}

/**
 * States what was found of a project in its bucket, as far as the log does not know it: the project, without a host, and its
 * backups. What the log knows stays as it is, so that the same find may be stated any number of times.
 *
 * @throws {Rejection} `project-elsewhere`, `repository-mismatch` when the log knows the project otherwise
 */
export function recoverProject(state: Project | null, { project, backups }: FoundProject): Verdict {
  mustFit(state, project);
  const isKnown = ({ backupId }: BackupRecorded): boolean =>
    state !== null && (state.backups.has(backupId) || (state.deleted?.includes(backupId) ?? false));
  const events: NewEvent<'project'>[] = [
    ...(state === null ? [{ thing: 'project', type: 'recovered', data: project } as const] : []),
    ...backups
      .filter((backup) => !isKnown(backup))
      .map((data) => ({ thing: 'project', type: 'backup-recorded', data }) as const),
  ];
  return events.length === 0 ? NOTHING : facts(...events);
}

/** @throws {Rejection} when the log knows the project in another bucket, or with another repository */
export function mustFit(
  state: ProjectState | null,
  { bucketId, repositoryConfigId }: Pick<ProjectRecovered, 'bucketId' | 'repositoryConfigId'>,
): void {
  if (state === null) return;
  if (state.bucketId !== bucketId) {
    throw new Rejection('project-elsewhere', `The log knows this project in the bucket ${state.bucketId}.`, 409);
  }
  if (repositoryConfigId === undefined || state.repositoryConfigId === undefined) return;
  if (state.repositoryConfigId === repositoryConfigId) return;
  throw new Rejection('repository-mismatch', 'The log knows another repository of this project.', 409);
}
