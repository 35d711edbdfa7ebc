import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { profileOf, type LocalAccess } from './access.js';
import { mustHaveSucceeded } from './outcome.js';
import type { Call, Runs } from './runs.js';
import { WholeOutput } from './whole-output.js';

export interface NewRepository {
  /** The id that the repository's `config` holds: it says whether a repository is the one that it was. */
  configId: string;
  /** To be stored in this order: the keys first, then `config`, which makes it a repository. */
  objects: { path: string; bytes: Uint8Array }[];
}

const RECOVERY_PASSWORD = 'recovery-password';

/** Makes a repository in a temporary folder, and takes its first objects from there. */
export async function makeRepository(
  runs: Runs,
  masterKey: string,
  recoveryPassword: string,
  call: Call,
): Promise<NewRepository> {
  const accessIn = (folder: string): LocalAccess => ({ kind: 'local', folder: join(folder, 'repository'), masterKey });
  return runs.inFolder(
    (folder) => profileOf(accessIn(runs.home(folder)), { logLevel: 'warn' }),
    async (folder) => {
      const access = accessIn(folder.path);
      const run = async (...args: string[]): Promise<string> => {
        const output = new WholeOutput();
        const command = { args, onLine: output.take, secrets: [recoveryPassword] };
        mustHaveSucceeded(await runs.runIn(folder, access, command, call));
        return output.text;
      };
      await writeFile(join(folder.path, RECOVERY_PASSWORD), `${recoveryPassword}\n`, { mode: 0o600 });
      await run('init');
      await run('key', 'add', `--new-password-file=${join(runs.home(folder.path), RECOVERY_PASSWORD)}`);
      const { id } = JSON.parse(await run('cat', 'config')) as { id: string };
      const keys = await readdir(join(access.folder, 'keys'));
      const objects = [...keys.map((key) => `keys/${key}`), 'config'].map(async (path) => ({
        path,
        bytes: await readFile(join(access.folder, path)),
      }));
      return { configId: id, objects: await Promise.all(objects) };
    },
  );
}
