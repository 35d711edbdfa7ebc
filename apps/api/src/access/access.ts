import { applyDecorators, SetMetadata, type ExecutionContext } from '@nestjs/common';
import { ApiExtension, ApiSecurity } from '@nestjs/swagger';
import type { ProjectRole, Scope } from '@buckets/contracts';
import { holds, type Caller } from './caller.js';
import { isAtLeast } from './roles.js';

/**
 * For whom a route is, beside the scope that it needs. `fleet`: for those whose say reaches the whole fleet; `services`: for
 * API keys of an owner, too, which see and make only what is that owner's; `own`: for everybody, who see what is theirs;
 * `project` and `operation`: for everybody who has such a role in the project that `:id` names, or that the operation
 * `:id` is of.
 */
export type Within =
  { of: 'fleet' | 'services' | 'own' } | { of: 'project' | 'operation'; least: ProjectRole | 'fleet'; self?: string };

export interface Access {
  scope: Scope;
  within: Within;
}

export const FLEET: Within = { of: 'fleet' };
export const SERVICES: Within = { of: 'services' };
export const OWN: Within = { of: 'own' };
/** @param least what one has to be of the project, for such callers as do not reach the fleet */
export const ofProject = (least: ProjectRole | 'fleet'): Within => ({ of: 'project', least });
/**
 * The same, and for whoever has any role there where it is about themselves.
 *
 * @param self the parameter of the path that names the user whom it is about
 */
export const ofProjectOrSelf = (least: ProjectRole, self: string): Within => ({ of: 'project', least, self });
export const ofOperation = (least: ProjectRole | 'fleet'): Within => ({ of: 'operation', least });

const ACCESS = Symbol('who may take a route');

/** What a caller must hold, and for whom the route is. A route that does not say is open to nobody: the API does not start. */
export const Needs = (scope: Scope, within: Within = FLEET) =>
  applyDecorators(
    SetMetadata(ACCESS, { scope, within } satisfies Access),
    ApiSecurity('bearer', [scope]),
    ApiExtension('x-buckets-for', 'least' in within ? `${within.of}:${within.least}` : within.of),
  );
/** A route that needs no token. */
export const Open = () => SetMetadata(ACCESS, 'open');

export function accessTo(handler: object): Access | 'open' | undefined {
  return Reflect.getMetadata(ACCESS, handler) as Access | 'open' | undefined;
}

export function accessIn(context: ExecutionContext): Access | 'open' | undefined {
  return accessTo(context.getHandler()) ?? accessTo(context.getClass());
}

/** `not-there`: the project is not the caller's, and nobody tells them that it exists. */
export type Say = 'yes' | 'forbidden' | 'not-there';

/**
 * Whether a caller may take a route.
 *
 * @param role the caller's role in the project that the route is about; null where they have none, or it does not exist
 * @param isSelf whether it is about the caller, who needs no more than a role then
 */
export function sayTo(caller: Caller, access: Access | undefined, role: ProjectRole | null, isSelf = false): Say {
  if (access === undefined || !holds(caller, access.scope)) return 'forbidden';
  if (caller.reach === 'fleet') return 'yes';
  const { within } = access;
  switch (within.of) {
    case 'fleet':
      return 'forbidden';
    case 'services':
      return caller.kind === 'user' ? 'forbidden' : 'yes';
    case 'own':
      return 'yes';
    case 'project':
    case 'operation':
      if (role === null) return 'not-there';
      return isSelf || (within.least !== 'fleet' && isAtLeast(role, within.least)) ? 'yes' : 'forbidden';
  }
}
