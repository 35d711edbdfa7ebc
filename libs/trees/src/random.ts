import { createCipheriv, createHash } from 'node:crypto';

/** Numbers and bytes that follow from a seed alone: the key stream of AES-256 in counter mode, fast enough for gigabytes. */
export class Random {
  readonly #stream;

  constructor(seed: string) {
    const key = createHash('sha256').update(seed).digest();
    this.#stream = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  }

  bytes(length: number): Buffer {
    return this.#stream.update(Buffer.alloc(length));
  }

  /** A whole number in [0, below). */
  below(below: number): number {
    return this.bytes(6).readUIntBE(0, 6) % below;
  }

  pick<T>(choices: readonly T[]): T {
    const chosen = choices[this.below(choices.length)];
    if (chosen === undefined) throw new RangeError('nothing to pick from');
    return chosen;
  }
}
