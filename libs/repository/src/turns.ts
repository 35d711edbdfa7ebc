import { setImmediate as nextTurn } from 'node:timers/promises';

/** Bytes of JSON that are read in one go: a millisecond or two. */
export const PIECE_BYTES = 64 * 1024;

/** Has the event loop take its turn in the middle of long work: by how much was done, not by the clock. */
export class Turns {
  #done = 0;

  /** To be awaited after each step. @param bytes of JSON that were read in it, or what took as long */
  async after(bytes: number): Promise<void> {
    this.#done += bytes;
    if (this.#done < PIECE_BYTES) return;
    this.#done = 0;
    await nextTurn();
  }
}
