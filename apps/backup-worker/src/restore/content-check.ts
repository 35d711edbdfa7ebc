import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { ContentPiece } from './snapshot-entry.js';

/** Hashing keeps one core busy; more files at once only help while the disk has to be waited for. */
const FILES_AT_ONCE = 4;
const BUFFER_BYTES = 2 ** 20;

/** Compares the bytes of files with the hashes in their snapshot. Reads a few at once; memory is bounded by their buffers. */
export class ContentCheck {
  readonly #buffers: (Buffer | undefined)[] = new Array<undefined>(FILES_AT_ONCE).fill(undefined);
  readonly #waiting: ((buffer: Buffer) => void)[] = [];

  /**
   * Where a file first differs from its pieces, undefined if it does not. Its size is known to be theirs.
   * @throws the system's error when the file cannot be read
   */
  async compare(path: Buffer, pieces: readonly ContentPiece[], signal?: AbortSignal): Promise<string | undefined> {
    const buffer = await this.#takeBuffer();
    try {
      // Nobody else writes here; a link or a FIFO in a file's place is still neither followed nor waited for.
      await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      return await comparePieces(file, pieces, buffer, signal);
    } finally {
      this.#giveBack(buffer);
    }
  }

  async #takeBuffer(): Promise<Buffer> {
    if (this.#buffers.length > 0) return this.#buffers.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #giveBack(buffer: Buffer): void {
    const next = this.#waiting.shift();
    if (next) next(buffer);
    else this.#buffers.push(buffer);
  }
}

async function comparePieces(
  file: FileHandle,
  pieces: readonly ContentPiece[],
  buffer: Buffer,
  signal?: AbortSignal,
): Promise<string | undefined> {
  let position = 0;
  for (const { id, length } of pieces) {
    const hash = createHash('sha256');
    const end = position + length;
    for (let at = position; at < end;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, end - at), at);
      if (bytesRead === 0) return `the file ends at byte ${at}, in the backup it goes on`;
      hash.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
    if (hash.digest('hex') !== id) return `bytes ${position} to ${end - 1} differ`;
    position = end;
  }
  return undefined;
}
