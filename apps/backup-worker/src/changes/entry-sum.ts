import { hash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';

export interface Entry {
  /** Which root it is in. */
  root: number;
  /** Relative to the root, as Latin-1 (a character for each byte); empty for the root itself. */
  path: string;
  stat?: BigIntStats;
  /** Compared for roots only: a device number may change at a reboot. */
  device?: bigint;
  /** The target of a link, or why the entry cannot be read. */
  note: string;
}

/** Sums the SHA-256 of entries modulo 2^256: the order does not matter, so nothing has to be sorted or kept. */
export class EntrySum {
  entries = 0;
  readonly #sum = new Uint32Array(8);
  readonly #fields = new BigUint64Array(10);
  readonly #head = Buffer.from(this.#fields.buffer);

  add({ root, path, stat, device, note }: Entry): void {
    const fields = this.#fields.fill(0n);
    if (stat) {
      fields[0] = stat.mode;
      fields[1] = stat.uid;
      fields[2] = stat.gid;
      fields[3] = stat.size;
      fields[4] = stat.mtimeNs;
      fields[5] = stat.ctimeNs;
      fields[6] = stat.ino;
      fields[7] = stat.rdev;
    }
    fields[8] = device ?? 0n;
    fields[9] = BigInt(root);
    // Fixed-length fields first, and no path holds a NUL: two different entries never make the same bytes.
    const digest = hash('sha256', Buffer.concat([this.#head, Buffer.from(`${path}\0${note}`, 'latin1')]), 'buffer');
    let carry = 0;
    for (let word = 0; word < 8; word++) {
      const total = (this.#sum[word] ?? 0) + digest.readUInt32LE(word * 4) + carry;
      this.#sum[word] = total; // keeps the low 32 bits
      carry = total > 0xffffffff ? 1 : 0;
    }
    this.entries += 1;
  }

  hex(): string {
    return Buffer.from(this.#sum.buffer).toString('hex');
  }
}
