import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { ProjectRole, Scope } from '@buckets/contracts';
import type { Request } from 'express';

/** Who asks, and what they may. */
export interface Caller {
  /** The administrator's token, an API key, or a person of the OIDC issuer. */
  kind: 'admin' | 'service' | 'user';
  /** Opaque: `admin`, the API key's id, or the person's. */
  id: string;
  /** How the log names them: `admin`, `key/<apiKeyId>` or `user/<userId>`. */
  name: string;
  scopes: readonly Scope[];
  /** How far their say reaches. */
  reach: 'fleet' | OwnProjects;
  /** When their token ends, in milliseconds since 1970. */
  expiresAt?: number;
}

/** The projects in which this user has one of these roles, and no others. */
export interface OwnProjects {
  userId: string;
  roles: readonly ProjectRole[];
}

export interface CalledRequest extends Request {
  caller: Caller;
  /** When the caller was let in, in milliseconds of a clock that is never set. */
  cameAt: number;
  /** The same request came before under its Idempotency-Key, and was no mistake of its caller's. */
  repeats?: boolean;
}

/** Hands a route its caller. */
export const CurrentCaller = createParamDecorator(
  (_: unknown, context: ExecutionContext): Caller => context.switchToHttp().getRequest<CalledRequest>().caller,
);

export function holds({ scopes }: Pick<Caller, 'scopes'>, scope: Scope): boolean {
  return scopes.includes('admin') || scopes.includes(scope);
}

/** Whose the caller's projects are, where their say does not reach further. */
export function ownerBehind({ reach }: Caller): string | undefined {
  return reach === 'fleet' ? undefined : reach.userId;
}
