import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, glob, mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
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

export async function findTool(name: string): Promise<string> {
  const checkout = fileURLToPath(new URL('../../../..', import.meta.url));
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name));
  for (const candidate of [join(checkout, '.tools/bin', name), ...onPath]) {
    if (await isExecutable(candidate)) return candidate;
  }
  for await (const candidate of glob(`${homedir()}/.cache/buckets/tools/*/{bin/,}${name}`)) {
    if (await isExecutable(candidate)) return candidate;
  }
  throw new Error(`${name} is not installed. Run "npm run demo" once: it installs what the tests need.`);
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
