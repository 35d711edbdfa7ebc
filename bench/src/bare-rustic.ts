import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Stack } from '@buckets/stack';
import { measuredRun, type Measured } from './measured-run.js';

export const PASSWORD = 'a password of the benchmark';

/** rustic as somebody would run it by hand: with a password, a profile and its usual cache. */
export class BareRustic implements AsyncDisposable {
  private constructor(
    private readonly program: string,
    private readonly folder: string,
  ) {}

  static async create(program: string): Promise<BareRustic> {
    return new BareRustic(program, await mkdtemp(join(tmpdir(), 'buckets-bench-rustic-')));
  }

  /** Writes a profile. @returns its name */
  async profile(stack: Stack, name: string, root: string, password: string): Promise<string> {
    const { s3 } = stack.access;
    const passwordFile = join(this.folder, `${name}.password`);
    await writeFile(passwordFile, password, { mode: 0o600 });
    const options = {
      endpoint: s3.endpoint,
      region: s3.region,
      bucket: s3.buckets[0],
      root,
      access_key_id: s3.accessKeyId,
      secret_access_key: s3.secretAccessKey,
      enable_virtual_host_style: 'false',
    };
    const lines = Object.entries(options).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
    await writeFile(
      join(this.folder, `${name}.toml`),
      [
        '[repository]',
        'repository = "opendal:s3"',
        `password-file = ${JSON.stringify(passwordFile)}`,
        `cache-dir = ${JSON.stringify(join(this.folder, 'cache'))}`,
        '[repository.options]',
        ...lines,
        '',
      ].join('\n'),
      { mode: 0o600 },
    );
    return name;
  }

  /** @returns milliseconds */
  async run(profile: string, args: string[]): Promise<number> {
    const began = performance.now();
    await execa(this.program, this.arguments(profile, args), this.environment);
    return performance.now() - began;
  }

  /** As `run`, with what it used of the machine. */
  measure(profile: string, args: string[]): Promise<Measured> {
    return measuredRun(this.program, this.arguments(profile, args), this.environment);
  }

  backupArguments(folder: string): string[] {
    return ['backup', '--as-path', '/', '--host', 'bench', '--label', 'bench', folder];
  }

  /** One backup for each pair of profile and folder, `parallel` at a time. @returns milliseconds */
  async backupAll(work: { profile: string; folder: string }[], parallel: number): Promise<number> {
    const list = work.map(({ profile, folder }) => `${profile}\0${folder}`).join('\0');
    const script = `exec "$0" -P "$1" --log-level warn --no-progress backup --as-path / --host bench --label bench "$2"`;
    const began = performance.now();
    await execa('xargs', ['-0', '-n', '2', '-P', String(parallel), 'sh', '-c', script, this.program], {
      ...this.environment,
      input: `${list}\0`,
    });
    return performance.now() - began;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  private arguments(profile: string, args: string[]): string[] {
    return ['-P', profile, '--log-level', 'warn', '--no-progress', ...args];
  }

  private get environment() {
    return { env: { XDG_CONFIG_HOME: this.folder, HOME: this.folder }, cwd: this.folder, stdout: 'ignore' } as const;
  }
}
