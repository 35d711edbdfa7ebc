import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/** AES-256-GCM with a random 96-bit nonce (NIST SP 800-38D): sound for far more values than one key sees here. */
const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export const KEY_BYTES = 32;

/**
 * The bytes encrypted, as base64url of nonce, ciphertext and tag. `context` is what the value is and whose;
 * it is not stored, and the value opens only for who names the same.
 */
export function encrypt(key: Uint8Array, bytes: Uint8Array, context: readonly string[]): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, nonce).setAAD(contextBytes(context));
  return Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]).toString('base64url');
}

/** The bytes, or undefined when a single bit of value, key or context is another. */
export function decrypt(key: Uint8Array, text: string, context: readonly string[]): Buffer | undefined {
  const all = Buffer.from(text, 'base64url');
  // Decoding is lenient; only the one way in which `encrypt` writes a value counts.
  if (all.length < NONCE_BYTES + TAG_BYTES || all.toString('base64url') !== text) return undefined;
  const decipher = createDecipheriv(ALGORITHM, key, all.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
    .setAAD(contextBytes(context))
    .setAuthTag(all.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(all.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return undefined; // The tag does not fit: nothing more can be said.
  }
}

/** JSON keeps the parts apart: no two lists of texts give the same bytes. */
function contextBytes(context: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify(context));
}
