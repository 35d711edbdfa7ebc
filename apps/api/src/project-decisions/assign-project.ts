import type { ProjectAssigned } from '@buckets/contracts';
import { Rejection } from '../problems/rejection.js';
import type { ProjectState } from '../state/project-state.js';
import { existing, facts, NOTHING, type Verdict } from './verdict.js';

/**
 * Gives a project a host that has none. What stands on that host is of an earlier assignment: it is neither started nor
 * backed up before it was adopted, and a start or a restore brings a backup.
 *
 * @throws {Rejection} `project-not-found`, `project-assigned` when it has another host
 */
export function assignProject(
  state: ProjectState | null,
  projectId: string,
  { hostId, ...by }: Omit<ProjectAssigned, 'generation'>,
): Verdict {
  const project = existing(state, projectId);
  if (project.hostId === hostId) return NOTHING;
  if (project.hostId !== null) {
    const detail = `The project is on host ${project.hostId}. A project that has a host cannot be given to another yet.`;
    throw new Rejection('project-assigned', detail, 409);
  }
  return facts({
    thing: 'project',
    type: 'assigned',
    data: { ...by, hostId, generation: project.generation + 1 },
  });
}
