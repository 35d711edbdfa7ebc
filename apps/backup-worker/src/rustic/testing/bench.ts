import { findTool } from '@buckets/real-parts';
import { createRepositoryKey } from '@buckets/repository';
import { until } from '@buckets/patience';
import { removeTree } from '@buckets/trees';
import { chmod, mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { LocalAccess } from '../access.js';
import type { BackupOrder } from '../backup.js';
import { Confinement } from '../confinement.js';
import { Rustic } from '../rustic.js';
import type { Call, RusticSettings } from '../runs.js';

/** Patient enough for any machine. */
export const PATIENT: Call = { stallMs: 60_000, deadlineMs: 120_000 };

/** How often and how long to look for what happens beside a test. Milliseconds. */
export const WAITED_FOR = { everyMs: 5, withinMs: 30_000 };

export const PASSWORD = 'correct horse battery staple';

/** A temporary folder with all that a test of rustic needs: two roots to back up, repositories, runs. */
export class TestBench implements AsyncDisposable {
  private constructor(
    readonly folder: string,
    private readonly binary: string,
    private readonly confinement: Confinement | undefined,
  ) {}

  static async make(): Promise<TestBench> {
    const folder = await mkdtemp(join(tmpdir(), 'buckets-rustic-'));
    const binary = await findTool('rustic');
    const confinement = await Confinement.of(binary, join(folder, 'roots'));
    const bench = new TestBench(folder, binary, typeof confinement === 'string' ? undefined : confinement);
    await mkdir(join(bench.root, 'project'), { recursive: true });
    await mkdir(join(bench.root, 'persist'));
    return bench;
  }

  /** Holds `project/` and `persist/`. */
  get root(): string {
    return this.path('p1');
  }

  get workFolder(): string {
    return this.path('run');
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  async write(path: string, content: string | Uint8Array): Promise<string> {
    const file = join(this.root, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
    return file;
  }

  rustic(settings: Partial<RusticSettings> = {}): Rustic {
    const { confinement } = this;
    return this.unconfined({ ...(confinement === undefined ? {} : { confinement }), ...settings });
  }

  /** One that sees all of the machine, as what a test puts into its environment. */
  unconfined(settings: Partial<RusticSettings>): Rustic {
    return new Rustic({
      binary: this.binary,
      workFolder: this.workFolder,
      cacheFolder: this.path('cache'),
      ...settings,
    });
  }

  order(order: Partial<BackupOrder> = {}): BackupOrder {
    const description = JSON.stringify({ layout: 'v2' });
    return { root: this.root, projectId: 'p1', tags: ['test'], description, command: 'buckets backup', ...order };
  }

  /** An initialised repository in a folder. */
  async repository(name = 'repository'): Promise<LocalAccess> {
    const access: LocalAccess = { kind: 'local', folder: this.path(name), masterKey: createRepositoryKey() };
    const { objects } = await this.rustic().initialise(access.masterKey, PASSWORD, PATIENT);
    for (const folder of ['data', 'index', 'keys', 'snapshots'])
      await mkdir(join(access.folder, folder), { recursive: true });
    for (const { path, bytes } of objects) await writeFile(join(access.folder, path), bytes);
    return access;
  }

  /** A rustic that is started through other programs, as one that takes away privileges: confined, it would not see them. */
  async through(...launcher: string[]): Promise<Rustic> {
    const script = this.path(`rustic-${launcher.length}-${Math.random().toString(36).slice(2)}`);
    await writeFile(
      script,
      `#!/bin/sh\nexec ${[...launcher, this.binary].map((word) => `'${word}'`).join(' ')} "$@"\n`,
    );
    await chmod(script, 0o755);
    return this.unconfined({ binary: script });
  }

  /** The process of the one run that goes on, once it is rustic itself. */
  async runningProcess(): Promise<number> {
    return until(async () => {
      for (const run of await this.leftOvers()) {
        const note = await readFile(join(this.workFolder, run, 'process.json'), 'utf8').catch(() => undefined);
        const pid = note === undefined ? undefined : (JSON.parse(note) as { pid: number }).pid;
        // The programs that set it up come first.
        if (pid !== undefined && (await readFile(`/proc/${pid}/comm`, 'utf8')) === 'rustic\n') return pid;
      }
      return undefined;
    }, WAITED_FOR);
  }

  /** What runs have left behind. */
  async leftOvers(): Promise<string[]> {
    return readdir(this.workFolder).catch(() => []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeTree(this.folder);
  }
}
