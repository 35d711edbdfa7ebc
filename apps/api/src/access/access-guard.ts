import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { accessIn } from './access.js';
import type { Admission } from './admission.js';
import type { CalledRequest } from './caller.js';
import type { Tokens } from './tokens.js';

/** Paths of `@buckets/service`, which every service answers to anybody who can reach it. */
export const OPEN_PATHS = /^\/(health\/(live|ready)|metrics|openapi\.json|docs)(\/|$)/;

/** Lets a request in that bears a token which may do what its route does. Nothing is open by default. */
export class AccessGuard implements CanActivate {
  constructor(
    private readonly tokens: Pick<Tokens, 'callerOf'>,
    private readonly admission: Pick<Admission, 'admit'>,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (isOpen(context)) return true;
    const request = context.switchToHttp().getRequest<CalledRequest>();
    request.caller = await this.tokens.callerOf(request.headers.authorization);
    const access = accessIn(context);
    const { params } = request;
    await this.admission.admit(request.caller, access === 'open' ? undefined : access, params['id'], params);
    return true;
  }
}

/** Whether no token is needed: no person asks, or anybody may. */
export function isOpen(context: ExecutionContext): boolean {
  if (context.getType() !== 'http' || accessIn(context) === 'open') return true;
  return OPEN_PATHS.test(context.switchToHttp().getRequest<CalledRequest>().path);
}
