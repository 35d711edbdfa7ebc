import type { Scope } from '@buckets/contracts';
import type { Request } from 'express';
import { applyDecorators, createParamDecorator, SetMetadata, type ExecutionContext } from '@nestjs/common';
import { ApiSecurity } from '@nestjs/swagger';

/** Who asks, and what they may. */
export interface Caller {
  /** `admin` or `key/<apiKeyId>`. */
  name: string;
  scopes: readonly Scope[];
}

export interface CalledRequest extends Request {
  caller: Caller;
  /** The same request came before under its Idempotency-Key, and was no mistake of its caller's. */
  repeats?: boolean;
}

/** Hands a route its caller. */
export const CurrentCaller = createParamDecorator(
  (_: unknown, context: ExecutionContext): Caller => context.switchToHttp().getRequest<CalledRequest>().caller,
);

const NEEDED_SCOPE = Symbol('the scope that a route needs');

/** What a caller must hold. A route that does not say is open to nobody. */
export const Needs = (scope: Scope) =>
  applyDecorators(SetMetadata(NEEDED_SCOPE, scope), ApiSecurity('bearer', [scope]));
/** A route that needs no token. */
export const Open = () => SetMetadata(NEEDED_SCOPE, 'open');

export function neededScope(context: ExecutionContext): Scope | 'open' | undefined {
  for (const target of [context.getHandler(), context.getClass()]) {
    const scope = Reflect.getMetadata(NEEDED_SCOPE, target) as Scope | 'open' | undefined;
    if (scope !== undefined) return scope;
  }
  return undefined;
}

export function mayDo(caller: Caller, scope: Scope): boolean {
  return caller.scopes.includes('admin') || caller.scopes.includes(scope);
}
