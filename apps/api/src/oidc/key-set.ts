import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { createLocalJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import type { Logger } from '@buckets/service';

/** Milliseconds. Keys are asked for again when they are older, and no oftener than after the pause. */
const REFRESH_AFTER_MS = 5 * 60_000;
const PAUSE_MS = 10_000;
/** An issuer that is away for longer may have withdrawn a key: what it had counts no more. */
const KEPT_FOR_MS = 24 * 3_600_000;
const ANSWER_WITHIN_MS = 5_000;
const MAX_BYTES = 256 * 1024;
const MIN_RSA_BITS = 2048;

/** The issuer's keys are not known, and cannot be fetched now. */
export class KeysUnreachable extends Error {}

interface KeySetParts {
  url: string;
  log: Pick<Logger, 'warn'>;
  /** Milliseconds, even. */
  now?: () => number;
}

/**
 * The keys that an issuer signs with, from its address. While that is away, the keys that are known go on; a key that is
 * not known is asked for, whoever names it, but only every few seconds.
 */
export class KeySet {
  private known: { find: JWTVerifyGetKey; at: number } | undefined;
  private lastTry: { at: number; failure?: unknown } | undefined;
  private trying: Promise<void> | undefined;
  private readonly now: () => number;

  constructor(private readonly parts: KeySetParts) {
    this.now = parts.now ?? (() => performance.now());
  }

  /** The key that a token names. @throws {KeysUnreachable} and jose's errors */
  readonly keyFor: JWTVerifyGetKey = async (header, token) => {
    const age = this.now() - (this.known?.at ?? Number.NEGATIVE_INFINITY);
    if (age > KEPT_FOR_MS) await this.refresh();
    else if (age > REFRESH_AFTER_MS) void this.refresh().catch(() => undefined); // It has been told of.
    try {
      return await this.known!.find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey))
        throw error instanceof errors.JOSEError ? error : unreachable(error);
      await this.refresh();
      return this.known!.find(header, token);
    }
  };

  /** Fetches, unless that was done a moment ago. @throws {KeysUnreachable} when it fails, or has failed a moment ago */
  private async refresh(): Promise<void> {
    const { lastTry } = this;
    if (this.trying === undefined && lastTry !== undefined && this.now() - lastTry.at < PAUSE_MS) {
      if (lastTry.failure !== undefined) throw unreachable(lastTry.failure);
      return;
    }
    this.trying ??= this.tryOnce().finally(() => (this.trying = undefined));
    await this.trying;
  }

  private async tryOnce(): Promise<void> {
    try {
      const keys = usableKeys(await this.download());
      if (keys.length === 0) throw new Error('The set of keys has none with which a token could be checked.');
      this.known = { find: createLocalJWKSet({ keys }), at: this.now() };
      this.lastTry = { at: this.now() };
    } catch (failure) {
      this.lastTry = { at: this.now(), failure };
      this.parts.log.warn({ error: failure, url: this.parts.url }, 'The keys of the OIDC issuer cannot be fetched');
      throw unreachable(failure);
    }
  }

  private async download(): Promise<unknown> {
    const response = await fetch(this.parts.url, {
      headers: { accept: 'application/json' },
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`The address of the keys answers ${response.status}.`);
    }
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      bytes += part.length;
      if (bytes > MAX_BYTES) throw new Error(`The set of keys has more than ${MAX_BYTES} bytes.`);
      parts.push(part);
    }
    return JSON.parse(Buffer.concat(parts).toString());
  }
}

/** Of what an issuer calls its keys: what can be used, and is strong enough. */
function usableKeys(set: unknown): JsonWebKey[] {
  const keys = (set as { keys?: unknown } | null)?.keys;
  return Array.isArray(keys) ? keys.filter(isUsable) : [];
}

function isUsable(key: unknown): key is JsonWebKey {
  try {
    const { asymmetricKeyType, asymmetricKeyDetails } = createPublicKey({ key: key as JsonWebKey, format: 'jwk' });
    return asymmetricKeyType !== 'rsa' || asymmetricKeyDetails!.modulusLength! >= MIN_RSA_BITS;
  } catch {
    return false;
  }
}

function unreachable(cause: unknown): KeysUnreachable {
  return new KeysUnreachable('The keys of the OIDC issuer cannot be fetched.', { cause });
}
