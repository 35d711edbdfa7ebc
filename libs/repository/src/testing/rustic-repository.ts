import { findTool } from '@buckets/real-parts';
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { createRepositoryKey } from '../repository-key.js';

const run = promisify(execFile);
const LIFETIME_MS = 120_000;

/** A repository in a local folder that the real rustic makes and fills. */
export class RusticRepository {
  private constructor(
    readonly folder: string,
    readonly masterKey: string,
    private readonly rustic: string,
    private readonly environment: NodeJS.ProcessEnv,
  ) {}

  /** @param parent an existing folder: the repository becomes `repository` in it */
  static async init(parent: string, ...options: string[]): Promise<RusticRepository> {
    const folder = join(parent, 'repository');
    const home = join(parent, 'home');
    const masterKey = createRepositoryKey();
    const keyFile = join(parent, 'key.json');
    await mkdir(home);
    await writeFile(keyFile, masterKey, { mode: 0o600 });
    const repository = new RusticRepository(folder, masterKey, await findTool('rustic'), {
      PATH: process.env['PATH'],
      HOME: home,
      RUSTIC_REPOSITORY: folder,
      RUSTIC_KEY_FILE: keyFile,
      RUSTIC_NO_CACHE: 'true',
      RUSTIC_LOG_LEVEL: 'warn',
    });
    await repository.command('init', ...options);
    return repository;
  }

  /** Backs the content of a folder up as the snapshot's roots, and gives the snapshot's id. */
  async backup(source: string, ...options: string[]): Promise<string> {
    const { stdout } = await this.command('backup', '--json', '--as-path', '/', ...options, '--', source);
    return (JSON.parse(stdout) as { id: string }).id;
  }

  async command(...args: string[]): Promise<{ stdout: string; stderr: string }> {
    return run(this.rustic, args, { env: this.environment, timeout: LIFETIME_MS, maxBuffer: 64 * 1024 * 1024 });
  }
}
