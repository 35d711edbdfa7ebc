import { ID_PATTERN, type ProjectRole } from '@buckets/contracts';
import { Problem } from '@buckets/service';
import type { DataSource } from 'typeorm';
import { invalidId } from '../problems/invalid-id.js';
import { operationNotFound, projectNotFound } from '../problems/not-there.js';
import { sayTo, type Access } from './access.js';
import type { Caller, OwnProjects } from './caller.js';

declare const ADMITTED: unique symbol;
/** The id of a project with which its caller may do what they ask for. Only {@link Admission} makes one. */
export type ProjectId = string & { readonly [ADMITTED]: 'project' };
/** The same of an operation. */
export type OperationId = string & { readonly [ADMITTED]: 'operation' };

/** The control plane itself acts, as for a process manager, or the request has just made the project: nobody is let in. */
export function forItself(projectId: string): ProjectId {
  return projectId as ProjectId;
}

/** An operation of a project to which its caller was admitted. */
export function operationOf(_project: ProjectId, operationId: string): OperationId {
  return operationId as OperationId;
}

/**
 * The one place that says whether a caller may do something with a project. What is not theirs and what is not there cost
 * the same: one look among the caller's own roles, which finds nothing.
 */
export class Admission {
  constructor(private readonly data: Pick<DataSource, 'query'>) {}

  /**
   * Lets a caller take a route, with what `:id` names where the route is about a project or an operation.
   *
   * @param names what the path names beside it
   * @throws {Problem} `forbidden`, `invalid-id`, `project-not-found`, `operation-not-found`
   */
  async admit(
    caller: Caller,
    access: Access | undefined,
    id: unknown,
    names: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    const of = access?.within.of;
    // Without the scope it is forbidden, whatever there is.
    if (sayTo(caller, access, null) === 'forbidden') throw forbidden(access);
    if (of !== 'project' && of !== 'operation') return;
    if (typeof id !== 'string' || !ID_PATTERN.test(id)) throw invalidId(of, ID_PATTERN);
    if (caller.reach === 'fleet') return;
    const self = access !== undefined && 'self' in access.within ? access.within.self : undefined;
    const isSelf = self !== undefined && names[self] === caller.reach.userId;
    const say = sayTo(caller, access, await this.roleIn(caller.reach, of, id), isSelf);
    if (say === 'not-there') throw of === 'project' ? projectNotFound(id) : operationNotFound(id);
    if (say === 'forbidden') throw forbidden(access);
  }

  private async roleIn(
    { userId, roles }: OwnProjects,
    about: keyof typeof PROJECT,
    id: string,
  ): Promise<ProjectRole | null> {
    const found = await this.data.query<{ role: ProjectRole }[]>(
      `SELECT role FROM api.member WHERE user_id = $1 AND project_id = ${PROJECT[about]} AND role = ANY ($3)`,
      [userId, id, roles],
    );
    return found[0]?.role ?? null;
  }
}

/** The project that is asked about. There is always a look at the roles in one, if only in a project of no name. */
const PROJECT = {
  project: '$2',
  operation: `coalesce((SELECT project_id FROM api.operation WHERE id = $2), '')`,
} as const;

function forbidden(access: Access | undefined): Problem {
  return new Problem({ code: 'forbidden', status: 403, detail: `This token may not do that: ${lacking(access)}.` });
}

function lacking(access: Access | undefined): string {
  if (access === undefined) return 'the route is open to nobody';
  const { scope, within } = access;
  const needs = `it needs the scope ${scope}`;
  if ('least' in within && within.least !== 'fleet')
    return `${needs}, and at least the role ${within.least} in the project`;
  const { of } = within;
  return of === 'own' ? needs : `${needs}, ${of === 'services' ? 'of an API key' : 'for the whole fleet'}`;
}
