import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** For tests: a project in a temporary folder of its own, beside which things can be put that are not in it. */
export class TrialProject implements Disposable {
  readonly top = mkdtempSync(join(tmpdir(), 'changes-'));
  readonly roots = ['project', 'persist'].map((root) => join(this.top, 'data', 'p1', root));
  readonly #processes: ChildProcess[] = [];

  constructor() {
    for (const root of this.roots) mkdirSync(root, { recursive: true });
  }

  /** A path in the project. */
  path(name: string): string {
    return join(this.top, 'data', 'p1', 'project', name);
  }

  outside(name: string): string {
    return join(this.top, name);
  }

  write(path: string, content = 'x'): string {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  ctimeMs(path: string): number {
    return lstatSync(path).ctimeMs;
  }

  /** Another process has the file mapped into its memory; the result stores a byte into its one page. */
  async mapped(path: string): Promise<(byte: number) => Promise<void>> {
    this.write(path, 'a'.repeat(4096));
    const program = [
      'import mmap, sys',
      'file = open(sys.argv[1], "r+b")',
      'memory = mmap.mmap(file.fileno(), 4096)',
      'print("ready", flush=True)',
      'for line in sys.stdin:',
      '    memory[0] = int(line)',
      '    print("stored", flush=True)',
    ].join('\n');
    const python = spawn('python3', ['-c', program, path], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#processes.push(python);
    await once(python.stdout, 'data');
    return async (byte) => {
      python.stdin.write(`${byte}\n`);
      await once(python.stdout, 'data');
    };
  }

  [Symbol.dispose](): void {
    for (const process of this.#processes) process.kill('SIGKILL');
    rmSync(this.top, { recursive: true, force: true });
  }
}

export function setExtendedAttribute(path: string): void {
  execFileSync('python3', ['-c', 'import os, sys; os.setxattr(sys.argv[1], "user.trial", b"1")', path]);
}

/** On tmpfs a store into a mapped file is never stamped, and user attributes need a recent kernel. */
export const temporaryFolderIsOnDisk = statfsSync(tmpdir()).type !== 0x01021994;
