import type { ProjectAssigned } from '@buckets/contracts';
import { Rejection } from '../problems/rejection.js';
import type { ProjectState } from '../state/project-state.js';
import { existing, facts, NOTHING, type Verdict } from './verdict.js';

/**
 * Gives a project a host that has none. What stands on that host is of an earlier assignment: it is neither started nor
 * backed up before it was adopted, and a start or a restore brings a backup.
 *
 * @param madeOn the host that made its newest backup, if there is any; its data there may be newer than that backup, and
 *   can be adopted only where the project is assigned to that host
 * @param although the caller's word that it is to be this host nevertheless
 * @throws {Rejection} `project-not-found`, `project-assigned` when it has another host, `backups-of-another-host`
 */
export function assignProject(
  state: ProjectState | null,
  projectId: string,
  { hostId, ...by }: Omit<ProjectAssigned, 'generation'>,
  { madeOn, although }: { madeOn?: string | undefined; although?: 'made-elsewhere' | undefined } = {},
): Verdict {
  const project = existing(state, projectId);
  if (project.hostId === hostId) return NOTHING;
  if (project.hostId !== null) {
    const detail = `The project is on host ${project.hostId}. A project that has a host cannot be given to another yet.`;
    throw new Rejection('project-assigned', detail, 409);
  }
  if (madeOn !== undefined && madeOn !== hostId && although === undefined) {
    const detail =
      `Its newest backup was made on host ${madeOn}, where newer data may stand: on host ${hostId} they cannot be adopted, ` +
      `and an assignment cannot be taken back. Assign it to ${madeOn}, or say "although": "made-elsewhere".`;
    throw new Rejection('backups-of-another-host', detail, 409);
  }
  return facts({
    thing: 'project',
    type: 'assigned',
    data: { ...by, hostId, generation: project.generation + 1 },
  });
}
