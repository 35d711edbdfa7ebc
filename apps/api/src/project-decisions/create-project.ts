import type { OperationLimits, ProjectCreated, ProjectUpdated } from '@buckets/contracts';
import { Rejection } from '../problems/rejection.js';
import type { ProjectState } from '../state/project-state.js';
import { requested } from './request-operation.js';
import { existing, facts, NOTHING, type Verdict } from './verdict.js';

export interface NewProject {
  projectId: string;
  data: ProjectCreated;
  /** Of the operation that makes its data. */
  operationId: string;
  adopt: boolean;
  limits: OperationLimits;
  at: string;
}

/** A project begins with its data being made on its host. */
export function createProject(state: ProjectState | null, command: NewProject): Verdict {
  const { projectId, data, operationId, adopt, limits, at } = command;
  if (state !== null) {
    if (data.requestHash !== undefined && state.requestHash === data.requestHash) return NOTHING;
    throw new Rejection('project-exists', `There is a project ${projectId} already.`, 409);
  }
  const provision = { operationId, kind: 'provision' as const, params: { adopt }, limits, at, by: data };
  const { events, intents } = requested(projectId, data, provision);
  return { events: [{ thing: 'project', type: 'created', data }, ...events], intents };
}

export function updateProject(state: ProjectState | null, projectId: string, data: ProjectUpdated): Verdict {
  existing(state, projectId);
  return facts({ thing: 'project', type: 'updated', data });
}
