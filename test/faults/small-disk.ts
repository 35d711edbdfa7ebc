import { execaSync } from 'execa';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

/** Enough for all that a host keeps, replaced data included, and soon filled. */
const BYTES = 512 * 2 ** 20;

/** A file system of its own in memory, mounted on a folder. Needs root. */
export class SmallDisk implements Disposable {
  private constructor(private readonly folder: string) {
    for (const signal of SIGNALS) process.on(signal, this.#cutOff);
  }

  /** Undefined where that is not allowed. */
  static mount(folder: string): SmallDisk | undefined {
    releaseThoseOfTheDead();
    mkdirSync(folder, { recursive: true });
    return mountOn(folder) ? new SmallDisk(folder) : undefined;
  }

  /** Fills it to the last byte. @returns what frees it again */
  async fill(): Promise<() => Promise<void>> {
    const filler = join(this.folder, '.filler');
    const file = await open(filler, 'w');
    try {
      for (const bytes of [2 ** 22, 2 ** 12]) await writeUntilFull(file, Buffer.alloc(bytes));
    } finally {
      await file.close();
    }
    return () => rm(filler, { force: true });
  }

  /** Mounts an empty file system over it. @returns what takes that away again */
  cover(): () => void {
    if (!mountOn(this.folder)) throw new Error(`Nothing can be mounted over ${this.folder}.`);
    return () => unmount(this.folder);
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) process.off(signal, this.#cutOff);
    // It may be covered.
    while (unmount(this.folder)) continue;
  }

  /** A mount outlives the process that made it. */
  readonly #cutOff = (signal: NodeJS.Signals): void => {
    this[Symbol.dispose]();
    process.kill(process.pid, signal);
  };
}

/** A mount's name says whose it is: one that was killed could not release its own. */
const NAME = 'buckets-test-of-';

function mountOn(folder: string): boolean {
  const options = ['-t', 'tmpfs', '-o', `size=${BYTES},mode=0700`, `${NAME}${process.pid}`, folder];
  return !execaSync('mount', options, { reject: false }).failed;
}

function unmount(folder: string): boolean {
  return !execaSync('umount', ['--lazy', folder], { reject: false }).failed;
}

function releaseThoseOfTheDead(): void {
  for (const mount of readFileSync('/proc/mounts', 'utf8').split('\n')) {
    const [name = '', folder = ''] = mount.split(' ');
    if (!name.startsWith(NAME) || existsSync(`/proc/${name.slice(NAME.length)}`)) continue;
    unmount(folder);
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

async function writeUntilFull(file: FileHandle, piece: Buffer): Promise<void> {
  try {
    for (;;) await file.appendFile(piece);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}
