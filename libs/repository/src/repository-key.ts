import { createCipheriv, createDecipheriv, randomBytes, timingSafeEqual } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { Poly1305, poly1305 } from './poly1305.js';
import { RepositoryKeyMismatch } from './repository-error.js';
import { PIECE_BYTES } from './turns.js';

/** Bytes that encryption adds to each object: a nonce of 16 in front, a tag of 16 behind. */
export const SEAL_BYTES = 32;

/** Bytes that are authenticated in one go: a millisecond or two. */
const TAGGED_BYTES = 8 * PIECE_BYTES;

/** A fresh master key as restic's JSON, which is what rustic takes as `RUSTIC_KEY_FILE`. It is a secret: keep it wrapped. */
export function createRepositoryKey(): string {
  const r = randomBytes(16);
  // Restic refuses a key whose r is not clamped; rustic clamps while it computes.
  for (const index of [3, 7, 11, 15]) r[index]! &= 0x0f;
  for (const index of [4, 8, 12]) r[index]! &= 0xfc;
  const base64 = (bytes: Buffer) => bytes.toString('base64');
  return JSON.stringify({ mac: { k: base64(randomBytes(16)), r: base64(r) }, encrypt: base64(randomBytes(32)) });
}

/**
 * The key of one repository. It opens what rustic and restic seal: `nonce ‖ AES-256-CTR ciphertext ‖ Poly1305-AES tag`,
 * the tag over the ciphertext (restic's design document, "Keys, Encryption and MAC").
 */
export class RepositoryKey {
  readonly #encrypt: Buffer;
  readonly #k: Buffer;
  readonly #r: Buffer;

  /**
   * @param masterKey restic's master key JSON
   * @throws RepositoryKeyMismatch when it is not one; never with a part of it
   */
  constructor(masterKey: string) {
    const { mac, encrypt } = parse(masterKey);
    this.#encrypt = bytes(encrypt, 32);
    this.#k = bytes(mac?.k, 16);
    this.#r = bytes(mac?.r, 16);
  }

  /** The plain text of a sealed object; undefined when the tag does not fit the key and the bytes. */
  open(sealed: Uint8Array): Buffer | undefined {
    if (sealed.length < SEAL_BYTES) return undefined;
    const nonce = sealed.subarray(0, 16);
    const ciphertext = sealed.subarray(16, sealed.length - 16);
    const tag = poly1305(ciphertext, this.#r, this.#aes(nonce));
    if (!timingSafeEqual(tag, sealed.subarray(sealed.length - 16))) return undefined;
    return createDecipheriv('aes-256-ctr', this.#encrypt, nonce).update(ciphertext);
  }

  /**
   * The same for what is large: the event loop has its turns. Once the tag has been found to fit, each call of the result
   * decrypts all of it, piece by piece.
   */
  async openInPieces(sealed: Uint8Array): Promise<(() => Generator<Buffer>) | undefined> {
    if (sealed.length < SEAL_BYTES) return undefined;
    const nonce = sealed.subarray(0, 16);
    const ciphertext = sealed.subarray(16, sealed.length - 16);
    const authenticator = new Poly1305(this.#r);
    for (const piece of piecesOf(ciphertext, TAGGED_BYTES)) {
      authenticator.update(piece);
      await nextTurn();
    }
    if (!timingSafeEqual(authenticator.tag(this.#aes(nonce)), sealed.subarray(sealed.length - 16))) return undefined;
    const key = this.#encrypt;
    return function* () {
      const decipher = createDecipheriv('aes-256-ctr', key, nonce);
      for (const piece of piecesOf(ciphertext, PIECE_BYTES)) yield decipher.update(piece);
    };
  }

  /** What `open` opens, under a nonce of its own. */
  seal(plain: Uint8Array): Buffer {
    const nonce = randomBytes(16);
    const ciphertext = createCipheriv('aes-256-ctr', this.#encrypt, nonce).update(plain);
    return Buffer.concat([nonce, ciphertext, poly1305(ciphertext, this.#r, this.#aes(nonce))]);
  }

  #aes(block: Uint8Array): Buffer {
    return createCipheriv('aes-128-ecb', this.#k, null).setAutoPadding(false).update(block);
  }
}

/** Of so many bytes each, but for the last. */
export function* piecesOf(bytes: Uint8Array, length: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

interface MasterKey {
  mac?: { k?: unknown; r?: unknown };
  encrypt?: unknown;
}

function parse(masterKey: string): MasterKey {
  try {
    return (JSON.parse(masterKey) ?? {}) as MasterKey;
  } catch {
    // The parser's own message would quote the key.
    throw new RepositoryKeyMismatch('it is not the JSON of a master key');
  }
}

function bytes(base64: unknown, length: number): Buffer {
  const decoded = typeof base64 === 'string' ? Buffer.from(base64, 'base64') : undefined;
  if (decoded?.length !== length) throw new RepositoryKeyMismatch('it is not the JSON of a master key');
  return decoded;
}
