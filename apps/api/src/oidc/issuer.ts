import { errors, jwtVerify, type JWTPayload } from 'jose';
import type { Logger } from '@buckets/service';
import { KeySet, KeysUnreachable } from './key-set.js';
import { UserIds } from './user-ids.js';

/** Signed by a key of its own: a secret that both sides know, or none, is no signature of the issuer. */
export const JWT_ALGORITHMS = [
  ...(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const),
  ...(['ES256', 'ES384', 'ES512', 'EdDSA'] as const),
] as const;

/** How far the clocks of issuer and API may be apart. */
const CLOCKS_APART_SECONDS = 30;
const MAX_SUBJECT = 255;
const MIN_KEY_BYTES = 32;

/** What a token says of its bearer. */
export interface Person {
  /** Opaque: see {@link UserIds}. */
  id: string;
  /** As the issuer calls them. */
  roles: readonly string[];
  /** When the token ends, by what it says and by its age, in milliseconds since 1970. */
  expiresAt: number;
}

/** Why a token is no good: for those who watch, never for its bearer. */
export type TokenFault =
  'expired' | 'not-yet' | 'algorithm' | 'signature' | 'unknown-key' | 'issuer' | 'audience' | 'claims' | 'malformed';

export class BadToken extends Error {
  constructor(
    readonly fault: TokenFault,
    options?: ErrorOptions,
  ) {
    super(`The token is no good: ${fault}.`, options);
  }
}

export interface IssuerSettings {
  issuer: string;
  audience: string;
  algorithms: readonly string[];
  keysUrl: string;
  userClaim: string;
  rolesClaim: string;
  /** How old a token may be, whatever it says of its end. */
  maxAgeMs: number;
  /** The key of the ids: 32 bytes at least, in base64. */
  idsKey: string;
}

/** The OIDC issuer whose people may come in. */
export class Issuer {
  readonly userIds: UserIds;
  private readonly keys: KeySet;

  /**
   * @param now milliseconds, even: by which the keys grow old
   * @throws {Error} with a sentence for whoever has set it up
   */
  constructor(
    private readonly settings: IssuerSettings,
    log: Pick<Logger, 'warn'>,
    now?: () => number,
  ) {
    this.userIds = new UserIds(keyIn(settings.idsKey));
    this.keys = new KeySet({ url: safeUrl(settings.keysUrl), log, ...(now === undefined ? {} : { now }) });
  }

  /** By which id somebody stands in the log whom the issuer calls so. */
  userId(subject: string): string {
    return this.userIds.of(this.settings.issuer, subject);
  }

  /** @throws {BadToken} and {KeysUnreachable} */
  async person(token: string): Promise<Person> {
    const { issuer, audience, algorithms, userClaim, rolesClaim, maxAgeMs } = this.settings;
    try {
      const { payload } = await jwtVerify(token, this.keys.keyFor, {
        ...{ issuer, audience, algorithms: [...algorithms], clockTolerance: CLOCKS_APART_SECONDS },
        ...{ maxTokenAge: maxAgeMs / 1000, requiredClaims: ['exp', 'iat'] },
      });
      const subject = claimOf(payload, userClaim);
      if (typeof subject !== 'string' || subject === '' || subject.length > MAX_SUBJECT) throw new BadToken('claims');
      const expiresAt = Math.min(payload.exp! * 1000, payload.iat! * 1000 + maxAgeMs);
      return { id: this.userId(subject), roles: rolesIn(claimOf(payload, rolesClaim)), expiresAt };
    } catch (error) {
      if (error instanceof BadToken || error instanceof KeysUnreachable) throw error;
      throw new BadToken(faultOf(error), { cause: error });
    }
  }
}

function faultOf(error: unknown): TokenFault {
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JOSEAlgNotAllowed) return 'algorithm';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature';
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    return 'unknown-key';
  if (error instanceof errors.JWTClaimValidationFailed) return faultOfClaim(error);
  if (error instanceof errors.JOSEError) return 'malformed';
  throw error;
}

function faultOfClaim({ claim, reason }: errors.JWTClaimValidationFailed): TokenFault {
  if (claim === 'iss') return 'issuer';
  if (claim === 'aud') return 'audience';
  return reason === 'check_failed' && (claim === 'nbf' || claim === 'iat') ? 'not-yet' : 'claims';
}

/** A claim by its name, or by a path with dots such as `realm_access.roles`. */
function claimOf(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  return name
    .split('.')
    .reduce<unknown>(
      (value, part) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, part)
          ? (value as Record<string, unknown>)[part]
          : undefined,
      payload,
    );
}

/** A list of words, or words with blanks between them. */
function rolesIn(claim: unknown): string[] {
  if (typeof claim === 'string') return claim.split(' ').filter((role) => role !== '');
  return Array.isArray(claim) ? claim.filter((role) => typeof role === 'string') : [];
}

function keyIn(text: string): Buffer {
  const key = Buffer.from(text, 'base64');
  if (key.length >= MIN_KEY_BYTES) return key;
  throw new Error(`BUCKETS_OIDC_IDS_KEY has ${key.length} bytes of base64, and must have ${MIN_KEY_BYTES} at least.`);
}

/** What is fetched there says who may come in: over a network, only with a certificate. */
function safeUrl(text: string): string {
  const { protocol, hostname } = new URL(text);
  if (protocol === 'https:' || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)) return text;
  throw new Error('BUCKETS_OIDC_KEYS_URL must begin with https://, except on this machine itself.');
}
