import { createPrivateKey, createPublicKey, randomBytes, sign, verify, type KeyObject } from 'node:crypto';
import { Prefix, type KeyPair } from '@nats-io/nkeys';
import { Codec } from '@nats-io/nkeys/lib/codec.js';

/** The DER of an Ed25519 private key is its 32 bytes behind this (RFC 8410). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/**
 * A NATS key whose Ed25519 is Node's own. That of the library is JavaScript: some 20 ms for a signature, ten times as
 * much under Jest, where a start of the stack makes dozens.
 */
export class SigningKey implements KeyPair {
  readonly #role: Prefix;
  readonly #raw: Buffer;
  readonly #private: KeyObject;
  readonly #public: KeyObject;

  private constructor(role: Prefix, raw: Buffer) {
    this.#role = role;
    this.#raw = raw;
    this.#private = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, raw]), format: 'der', type: 'pkcs8' });
    this.#public = createPublicKey(this.#private);
  }

  static create(role: Prefix): SigningKey {
    return new SigningKey(role, randomBytes(32));
  }

  /** @throws {NKeysError} for a text that is not a seed */
  static fromSeed(seed: string): SigningKey {
    const { prefix, buf } = Codec.decodeSeed(new TextEncoder().encode(seed.trim()));
    return new SigningKey(prefix, Buffer.from(buf));
  }

  getPublicKey(): string {
    const raw = this.#public.export({ format: 'der', type: 'spki' }).subarray(-32);
    return new TextDecoder().decode(Codec.encode(this.#role, raw));
  }

  getSeed(): Uint8Array {
    return Codec.encodeSeed(this.#role, this.#raw);
  }

  getPrivateKey(): Uint8Array {
    return Codec.encode(Prefix.Private, this.#raw);
  }

  sign(input: Uint8Array): Uint8Array {
    return sign(null, input, this.#private);
  }

  verify(input: Uint8Array, signature: Uint8Array): boolean {
    return verify(null, input, this.#public, signature);
  }

  clear(): void {
    this.#raw.fill(0);
  }

  seal(): Uint8Array {
    throw new TypeError('A signing key does not encrypt.');
  }

  open(): Uint8Array | null {
    throw new TypeError('A signing key does not encrypt.');
  }
}
