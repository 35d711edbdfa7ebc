import { ID_PATTERN, type ProjectRole } from '@buckets/contracts';
import type { DataSource } from 'typeorm';
import { invalidId } from '../problems/invalid-id.js';
import { sayTo, type Access } from './access.js';
import type { CalledRequest, Caller, OwnProjects } from './caller.js';
import { forbidden, Mandate, mustLetIn, type About } from './mandate.js';

declare const ADMITTED: unique symbol;
/** A project with which its caller may do what they ask for, and on whose word. Only {@link Admission} makes one. */
export interface AdmittedProject {
  readonly [ADMITTED]: 'project';
  readonly id: string;
  /** Left out where the control plane itself acts. */
  readonly by?: Mandate;
}
/** The same of an operation. */
export interface AdmittedOperation {
  readonly [ADMITTED]: 'operation';
  readonly id: string;
  readonly by?: Mandate;
}
type Admitted = AdmittedProject | AdmittedOperation;

/** A request that was let in, with what its `:id` names where its route is about a project or an operation. */
export interface AdmittedRequest extends CalledRequest {
  admitted?: Admitted | undefined;
}

/** The control plane itself acts, as for a process manager: nobody is let in. */
export function forItself(projectId: string): AdmittedProject {
  return { id: projectId } as AdmittedProject;
}

/** A project that a caller is about to make. */
export function madeBy(caller: Caller, projectId: string): AdmittedProject {
  return { id: projectId, by: new Mandate(caller, null) } as AdmittedProject;
}

/** An operation of a project to which its caller was admitted. */
export function operationOf({ by }: AdmittedProject, operationId: string): AdmittedOperation {
  return { id: operationId, by } as AdmittedOperation;
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
  ): Promise<Admitted | undefined> {
    const of = access?.within.of;
    // Without the scope it is forbidden, whatever there is.
    if (access === undefined || sayTo(caller, access, null) === 'forbidden') throw forbidden(access);
    if (of !== 'project' && of !== 'operation') return undefined;
    if (typeof id !== 'string' || !ID_PATTERN.test(id)) throw invalidId(of, ID_PATTERN);
    const { reach } = caller;
    const self = 'self' in access.within ? access.within.self : undefined;
    const isSelf = self !== undefined && reach !== 'fleet' && names[self] === reach.userId;
    const about = { of, id, isSelf };
    const role = reach === 'fleet' ? null : await this.roleIn(reach, about);
    mustLetIn(caller, access, role, about);
    return { id, by: new Mandate(caller, role, { access, about }) } as Admitted;
  }

  private async roleIn({ userId, roles }: OwnProjects, { of, id }: About): Promise<ProjectRole | null> {
    const found = await this.data.query<{ role: ProjectRole }[]>(
      `SELECT role FROM api.member WHERE user_id = $1 AND project_id = ${PROJECT[of]} AND role = ANY ($3)`,
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
