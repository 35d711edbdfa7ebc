import type { NewEvent, ProjectRole } from '@buckets/contracts';
import { Rejection } from '../problems/rejection.js';
import { roleOf, type ProjectState } from '../state/project-state.js';
import { existing, facts, type Verdict } from './verdict.js';

/** Each decision about a project reads them. */
export const MAX_MEMBERS = 100;

export interface Membership {
  userId: string;
  role: ProjectRole;
  requestedBy: string;
}

/** Gives somebody a role in a project, in place of the one that they had. */
export function setMember(state: ProjectState | null, projectId: string, wanted: Membership): Verdict {
  const project = existing(state, projectId);
  const { userId, role, requestedBy } = wanted;
  const before = roleOf(project, userId);
  if (before === role) return facts();
  const isNew = before === undefined;
  if (isNew && Object.keys(project.members ?? {}).length >= MAX_MEMBERS) {
    throw new Rejection(
      'too-many-members',
      `A project has ${MAX_MEMBERS} members at most. Remove somebody first.`,
      409,
    );
  }
  const set: NewEvent<'project'> = { thing: 'project', type: 'member-set', data: { userId, role, requestedBy } };
  return facts(...handedOn(project, userId, requestedBy), set);
}

/** Takes somebody's role in a project away. */
export function removeMember(
  state: ProjectState | null,
  projectId: string,
  { userId, requestedBy }: Omit<Membership, 'role'>,
): Verdict {
  const project = existing(state, projectId);
  if (roleOf(project, userId) === undefined) {
    throw new Rejection('member-not-found', `User ${userId} has no role in project ${projectId}.`, 404);
  }
  const removed: NewEvent<'project'> = { thing: 'project', type: 'member-removed', data: { userId, requestedBy } };
  return facts(...handedOn(project, userId, requestedBy), removed);
}

/**
 * A project always has an owner: before the one whose it is goes, it is given to another one.
 *
 * @throws {Rejection} `last-owner` when there is none
 */
function handedOn({ ownerId, members }: ProjectState, userId: string, requestedBy: string): NewEvent<'project'>[] {
  if (userId !== ownerId) return [];
  const owners = Object.entries(members ?? {}).filter(([, role]) => role === 'owner');
  const [heir] = owners.map(([id]) => id).toSorted();
  if (heir !== undefined) return [{ thing: 'project', type: 'updated', data: { ownerId: heir, requestedBy } }];
  const detail = 'That is the only owner of the project. Make somebody else an owner first.';
  throw new Rejection('last-owner', detail, 409);
}
