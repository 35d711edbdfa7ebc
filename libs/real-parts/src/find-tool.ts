import { constants } from 'node:fs';
import { access, glob } from 'node:fs/promises';
import { arch, homedir, platform } from 'node:os';
import { delimiter, join } from 'node:path';

/** The folder of the clone, seen from both src/ and dist/. */
const CLONE = join(import.meta.dirname, '../../..');

/** No such program is on this machine. */
export class ToolMissing extends Error {
  readonly code = 'tool-missing';

  constructor(name: string) {
    super(`${name} is not installed. Run "npm run demo" once: it installs what the tests need.`);
    this.name = 'ToolMissing';
  }
}

/**
 * The path of a program such as `rustic`, `weed`, `nats-server` or `restic`: the one that this clone's set-up chose,
 * else one on PATH, else one that the set-up of another clone has put into the user's cache.
 *
 * @throws {ToolMissing}
 */
export async function findTool(name: string, environment: NodeJS.ProcessEnv = process.env): Promise<string> {
  for (const folder of [join(CLONE, '.tools/bin'), ...foldersOnPath(environment), ...(await cached(name, environment))])
    if (await isProgram(join(folder, name))) return join(folder, name);
  throw new ToolMissing(name);
}

function foldersOnPath({ PATH = '' }: NodeJS.ProcessEnv): string[] {
  return PATH.split(delimiter).filter((folder) => folder !== '');
}

/** Named by tool, version and platform, in the layout of stack/prepare; the newest first. */
async function cached(name: string, { XDG_CACHE_HOME }: NodeJS.ProcessEnv): Promise<string[]> {
  const tools = join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'buckets/tools');
  const folders: string[] = [];
  for await (const folder of glob(`${name}-*-${platform()}-${arch()}/bin`, { cwd: tools })) {
    folders.push(join(tools, folder));
  }
  return folders.sort((one, other) => other.localeCompare(one, 'en', { numeric: true }));
}

async function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
