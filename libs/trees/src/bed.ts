import { constants } from 'node:fs';
import { link, mkdir, open, symlink, truncate, writeFile } from 'node:fs/promises';
import type { Planted } from './planted.js';
import type { Random } from './random.js';
import { fullPath, rawPath } from './raw-path.js';

/** The folder of one hard case: makes its entries and notes what else they are to be. */
export class Bed {
  readonly planted: Planted[] = [];

  constructor(
    readonly folder: string,
    readonly random: Random,
    readonly sparseBytes: number,
  ) {}

  async newFolder(path: string | Buffer, rest: Partial<Planted> = {}): Promise<void> {
    await mkdir(this.#at(path));
    this.#note(path, rest);
  }

  async file(path: string | Buffer, content?: string | Buffer, rest: Partial<Planted> = {}): Promise<void> {
    await writeFile(this.#at(path), content ?? this.random.bytes(100), { flag: 'wx' });
    this.#note(path, rest);
  }

  async link(path: string | Buffer, target: string | Buffer, rest: Partial<Planted> = {}): Promise<void> {
    await symlink(target, this.#at(path));
    this.#note(path, rest);
  }

  /** Another name for a file; what the file is like is planted with its first name. */
  async hardLink(path: string, first: string): Promise<void> {
    await link(this.#at(first), this.#at(path));
    this.#note(path);
  }

  /** A file that is a hole but for 4 KiB at each of the offsets. */
  async sparseFile(path: string, size: number, offsets: readonly number[]): Promise<void> {
    await this.file(path, '');
    await truncate(this.#at(path), size);
    await using file = await open(this.#at(path), constants.O_WRONLY);
    for (const offset of offsets) {
      const block = this.random.bytes(Math.min(4096, size - offset));
      await file.write(block, 0, block.length, offset);
    }
  }

  later(path: string, make: 'fifo' | 'socket'): void {
    this.#note(path, { make });
  }

  #note(path: string | Buffer, rest: Partial<Planted> = {}): void {
    this.planted.push({ path: rawPath(path), ...rest });
  }

  #at(path: string | Buffer): Buffer {
    return fullPath(this.folder, rawPath(path));
  }
}
