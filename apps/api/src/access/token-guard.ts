import { createHash, timingSafeEqual } from 'node:crypto';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { Problem } from '@buckets/service';
import type { Secret } from '@buckets/settings';
import type { DataSource } from 'typeorm';
import { ApiKeyRow } from '../tables/entities.js';
import { mayDo, neededScope, type CalledRequest, type Caller } from './caller.js';

/** Paths of `@buckets/service`, which every service answers to anybody who can reach it. */
const OPEN_PATHS = /^\/(health\/(live|ready)|metrics|openapi\.json|docs)(\/|$)/;

/** Lets a request in that bears a token with the scope its route needs. Nothing is open by default. */
export class TokenGuard implements CanActivate {
  private readonly adminHash: Buffer;

  constructor(
    adminToken: Secret,
    private readonly data: DataSource,
    private readonly now: () => number = Date.now,
  ) {
    this.adminHash = Buffer.from(tokenHash(adminToken.reveal()), 'hex');
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const scope = neededScope(context);
    if (scope === 'open' || isOpen(context)) return true;
    const request = context.switchToHttp().getRequest<CalledRequest>();
    request.caller = await this.callerOf(request);
    if (scope === undefined || !mayDo(request.caller, scope)) {
      throw new Problem({
        code: 'forbidden',
        status: 403,
        detail: `This token may not do that: it needs the scope ${scope ?? 'of a route that is open to nobody'}.`,
      });
    }
    return true;
  }

  private async callerOf(request: CalledRequest): Promise<Caller> {
    const token = /^Bearer ([\x21-\x7e]{1,4096})$/i.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) {
      throw new Problem({
        code: 'no-token',
        status: 401,
        detail: 'Send a token: Authorization: Bearer <API key>.',
      });
    }
    const hash = tokenHash(token);
    if (timingSafeEqual(Buffer.from(hash, 'hex'), this.adminHash)) return { name: 'admin', scopes: ['admin'] };
    const key = await this.data.getRepository(ApiKeyRow).findOneBy({ token_hash: hash });
    const expired = key?.expires_at != null && Date.parse(key.expires_at) <= this.now();
    if (key === null || key.revoked_at !== null || expired) {
      throw new Problem({
        code: 'wrong-token',
        status: 401,
        detail: 'This token is not known, was revoked or has expired. Ask for a new API key.',
      });
    }
    return { name: `key/${key.id}`, scopes: key.scopes };
  }
}

/** Whether no token is needed: no person asks, or anybody may. */
export function isOpen(context: ExecutionContext): boolean {
  if (context.getType() !== 'http' || neededScope(context) === 'open') return true;
  return OPEN_PATHS.test(context.switchToHttp().getRequest<CalledRequest>().path);
}

/** A token has 256 random bits, so its SHA-256 can be stored: there is nothing to guess. */
export function tokenHash(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
