import { createHmac } from 'node:crypto';
import { decrypt, encrypt, KEY_BYTES } from './authenticated-encryption.js';
import { PlatformKeyInvalid, PlatformKeyUnknown, VaultUnreadable } from './errors.js';

/** What a wrapped value is and whose: it opens as nothing else. */
export interface WrapContext {
  readonly purpose: 'project-keys' | 'bucket-credentials';
  readonly id: string;
}

/**
 * The keys that wrap others. New values are wrapped with the current one; earlier ones still open theirs, as each
 * wrapped value names its key: `wrapped:1:<key id>:<base64url>`.
 */
export class PlatformKeys {
  readonly #keys: ReadonlyMap<string, Buffer>;
  readonly #currentId: string;

  /** Each key is 32 bytes in base64. Throws `PlatformKeyInvalid`. */
  constructor(current: string, earlier: readonly string[] = []) {
    const keys = [current, ...earlier].map(parseKey).map((key) => [keyId(key), key] as const);
    this.#keys = new Map(keys);
    this.#currentId = keys[0]?.[0] ?? '';
  }

  wrap(bytes: Uint8Array, context: WrapContext): string {
    const header = `wrapped:1:${this.#currentId}`;
    return `${header}:${encrypt(this.key(this.#currentId, context), bytes, [header, context.purpose, context.id])}`;
  }

  /** Throws `PlatformKeyUnknown` and `VaultUnreadable`. */
  unwrap(wrapped: string, context: WrapContext): Buffer {
    const [, header, id, value] = /^(wrapped:1:([0-9a-f]{8})):([\w-]+)$/.exec(wrapped) ?? [];
    if (header === undefined || id === undefined || value === undefined) throw new VaultUnreadable(nameOf(context));
    const bytes = decrypt(this.key(id, context), value, [header, context.purpose, context.id]);
    if (bytes === undefined) throw new VaultUnreadable(nameOf(context));
    return bytes;
  }

  private key(id: string, context: WrapContext): Buffer {
    const key = this.#keys.get(id);
    if (key === undefined) throw new PlatformKeyUnknown(nameOf(context), id, [...this.#keys.keys()]);
    return key;
  }
}

function parseKey(text: string): Buffer {
  const key = Buffer.from(text, 'base64');
  const unpadded = (base64: string) => base64.replace(/=+$/, '');
  if (key.length !== KEY_BYTES || unpadded(key.toString('base64')) !== unpadded(text)) throw new PlatformKeyInvalid();
  return key;
}

/** Tells keys apart and nothing about them. */
function keyId(key: Buffer): string {
  return createHmac('sha256', key).update('buckets platform key id').digest('hex').slice(0, 8);
}

function nameOf({ purpose, id }: WrapContext): string {
  return purpose === 'project-keys' ? `The entry of project ${id}` : `The entry of bucket ${id}`;
}
