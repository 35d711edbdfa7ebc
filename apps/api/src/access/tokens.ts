import { createHash, timingSafeEqual } from 'node:crypto';
import { Problem, type ProblemInit } from '@buckets/service';
import type { Secret } from '@buckets/settings';
import { PROJECT_ROLES, type Scope } from '@buckets/contracts';
import { Counter, type Registry } from 'prom-client';
import type { DataSource } from 'typeorm';
import { BadToken, type Issuer, type TokenFault } from '../oidc/issuer.js';
import { KeysUnreachable } from '../oidc/key-set.js';
import type { Caller } from './caller.js';
import type { Revocations } from './revocations.js';
import { FLEET_ROLES, SCOPES_OF, SCOPES_OF_USERS, type FleetRole } from './roles.js';

/** Why nobody came in with a token: for those who watch. Whoever sent it hears one and the same. */
export type Refused = TokenFault | 'no-token' | 'unknown' | 'revoked' | 'maker-revoked' | 'keys-unreachable';

/** The bearer of a token, why it is no good, or null where it is none that this one could know. */
type Found = Caller | { refused: Refused } | null;

/** One kind of token. */
export interface TokenKind {
  find(token: string): Promise<Found>;
}

/** Nothing that a browser or a library sends is longer; Node takes 16 KiB of headers in all. */
const BEARER = /^Bearer ([\x21-\x7e]{1,8192})$/i;

/** Whose a token is: each kind of token is tried in turn. */
export class Tokens {
  private readonly refused: Counter<'reason'>;

  constructor(
    private readonly kinds: readonly TokenKind[],
    registry: Registry,
  ) {
    this.refused = new Counter({
      name: 'buckets_tokens_refused_total',
      help: 'Requests with which nobody came in, by what was wrong with the token',
      labelNames: ['reason'],
      registers: [registry],
    });
  }

  /** @throws {Problem} `no-token`, `wrong-token`, `issuer-unreachable` */
  async callerOf(authorization: string | undefined): Promise<Caller> {
    const token = BEARER.exec(authorization ?? '')?.[1];
    const found = token === undefined ? { refused: 'no-token' as const } : await this.find(token);
    if (!('refused' in found)) return found;
    this.refused.inc({ reason: found.refused });
    throw new Problem(PROBLEMS[found.refused] ?? WRONG);
  }

  private async find(token: string): Promise<NonNullable<Found>> {
    for (const kind of this.kinds) {
      const found = await kind.find(token);
      if (found !== null) return found;
    }
    return { refused: 'unknown' };
  }
}

const WRONG: ProblemInit = {
  code: 'wrong-token',
  status: 401,
  detail: 'This token is not known, was revoked or has expired. Ask for a new one.',
};

const PROBLEMS: Partial<Record<Refused, ProblemInit>> = {
  'no-token': {
    code: 'no-token',
    status: 401,
    detail: 'Send a token: Authorization: Bearer <API key or JWT>.',
  },
  'keys-unreachable': {
    code: 'issuer-unreachable',
    status: 503,
    detail:
      'Whether this token is good cannot be said: the keys of its issuer cannot be fetched. Try again in a moment.',
    retryAfterSeconds: 10,
  },
};

/** The token that may do everything, to begin with. */
export class AdminToken implements TokenKind {
  private readonly hash: Buffer;

  constructor(token: Secret) {
    this.hash = Buffer.from(tokenHash(token.reveal()), 'hex');
  }

  find(token: string): Promise<Found> {
    const isIt = timingSafeEqual(Buffer.from(tokenHash(token), 'hex'), this.hash);
    return Promise.resolve(
      isIt ? { kind: 'admin', id: 'admin', name: 'admin', scopes: ['admin'], reach: 'fleet' } : null,
    );
  }
}

interface FoundKey {
  id: string;
  scopes: Scope[];
  expires_at: string | null;
  revoked_at: string | null;
  owner_id: string | null;
  makers: string[];
  maker_revoked: boolean;
}

export class ApiKeys implements TokenKind {
  constructor(
    private readonly data: Pick<DataSource, 'query'>,
    private readonly revocations: Pick<Revocations, 'areInTables' | 'has'>,
    private readonly now: () => number = Date.now,
  ) {}

  async find(token: string): Promise<Found> {
    // Before the tables are read: what they show then is all there is.
    const isAllInTables = await this.revocations.areInTables();
    // One look says all, so that a key whose maker is gone takes no longer than another.
    const [key] = await this.data.query<FoundKey[]>(
      `SELECT id, scopes, expires_at, revoked_at, owner_id, makers, EXISTS (
         SELECT FROM api.api_key maker
          WHERE maker.id IN (SELECT jsonb_array_elements_text(api_key.makers)) AND maker.revoked_at IS NOT NULL
       ) AS maker_revoked FROM api.api_key WHERE token_hash = $1`,
      [tokenHash(token)],
    );
    if (key === undefined) return null;
    const expiresAt = key.expires_at === null ? undefined : Date.parse(key.expires_at);
    if (key.revoked_at !== null) return { refused: 'revoked' };
    if (key.maker_revoked) return { refused: 'maker-revoked' };
    if (!isAllInTables) {
      if (await this.revocations.has(key.id)) return { refused: 'revoked' };
      for (const maker of key.makers) if (await this.revocations.has(maker)) return { refused: 'maker-revoked' };
    }
    if (expiresAt !== undefined && expiresAt <= this.now()) return { refused: 'expired' };
    return {
      ...{ kind: 'service', id: key.id, name: `key/${key.id}`, scopes: key.scopes },
      reach: key.owner_id === null ? 'fleet' : { userId: key.owner_id, roles: ['owner'] },
      ...(expiresAt === undefined ? {} : { expiresAt }),
    };
  }
}

/** Tokens of the OIDC issuer: what has the form of a JWT is none of ours. */
export class IssuerTokens implements TokenKind {
  /** @param fleetRoles what the issuer calls those roles, where it gives them to anybody */
  constructor(
    private readonly issuer: Pick<Issuer, 'person'>,
    private readonly fleetRoles: Partial<Record<FleetRole, string | undefined>>,
  ) {}

  async find(token: string): Promise<Found> {
    if (!/^[\w-]+\.[\w-]*\.[\w-]*$/.test(token)) return null;
    try {
      const { id, roles, expiresAt } = await this.issuer.person(token);
      const role = FLEET_ROLES.find((each) => roles.some((name) => name === this.fleetRoles[each]));
      return {
        ...{ kind: 'user', id, name: `user/${id}`, expiresAt },
        ...(role === undefined
          ? { scopes: SCOPES_OF_USERS, reach: { userId: id, roles: PROJECT_ROLES } }
          : { scopes: SCOPES_OF[role], reach: 'fleet' }),
      };
    } catch (error) {
      if (error instanceof KeysUnreachable) return { refused: 'keys-unreachable' };
      if (error instanceof BadToken) return { refused: error.fault };
      throw error;
    }
  }
}

/** A token has 256 random bits, so its SHA-256 can be stored: there is nothing to guess. */
export function tokenHash(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
