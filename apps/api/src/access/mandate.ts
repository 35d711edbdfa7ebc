import type { ProjectRole } from '@buckets/contracts';
import { Problem } from '@buckets/service';
import type { Asker } from '../decisions/turns.js';
import { operationNotFound, projectNotFound } from '../problems/not-there.js';
import { roleOf, type ProjectState } from '../state/project-state.js';
import { sayTo, type Access } from './access.js';
import type { Caller } from './caller.js';

/** What a route is about by its `:id`. */
export interface About {
  of: 'project' | 'operation';
  id: string;
  /** Whether it is about the caller. */
  isSelf: boolean;
}

/**
 * On whose word something is done with a project, and what they have to be of it. Roles may be taken away while a command
 * waits or its body comes in: whoever decides, or lets something have its effect, asks again by the state that counts then.
 */
export class Mandate implements Asker {
  readonly rank: Asker['rank'];
  readonly share: string | undefined;

  /**
   * @param role what they are of the project as they come in
   * @param access the route that they take; left out for a project that they are about to make
   */
  constructor(
    private readonly caller: Caller,
    role: ProjectRole | null,
    private readonly held?: { access: Access; about: About },
  ) {
    const { reach } = caller;
    this.rank = reach === 'fleet' ? 'fleet' : role === 'owner' ? 'owner' : 'member';
    this.share = reach === 'fleet' ? undefined : reach.userId;
  }

  /** Nothing can be taken away from it meanwhile. */
  get isLasting(): boolean {
    return this.caller.reach === 'fleet' || this.held === undefined;
  }

  /** @throws {Problem} as {@link Admission.admit} does, where the caller is no longer by the state what they have to be */
  mustHold(project: ProjectState | null): void {
    const { reach } = this.caller;
    if (reach === 'fleet' || this.held === undefined) return;
    const role = project === null ? undefined : roleOf(project, reach.userId);
    const counts = role !== undefined && reach.roles.includes(role);
    mustLetIn(this.caller, this.held.access, counts ? role : null, this.held.about);
  }
}

/** @throws {Problem} `forbidden`, `project-not-found`, `operation-not-found` */
export function mustLetIn(caller: Caller, access: Access, role: ProjectRole | null, about: About): void {
  const { of, id, isSelf } = about;
  const say = sayTo(caller, access, role, isSelf);
  if (say === 'not-there') throw of === 'project' ? projectNotFound(id) : operationNotFound(id);
  if (say === 'forbidden') throw forbidden(access);
}

export function forbidden(access: Access | undefined): Problem {
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
