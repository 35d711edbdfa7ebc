import { constants } from 'node:fs';
import { access, opendir, realpath, stat } from 'node:fs/promises';
import { isAbsolute, relative, resolve } from 'node:path';
import { rawPath, readablePath } from '@buckets/trees';

/** The folder that was named cannot be used; the message says why. */
export class UnusableFolder extends Error {
  readonly code = 'unusable-folder';
  constructor(folder: string, problem: string) {
    super(`${forPeople(folder)} ${problem}`);
    this.name = 'UnusableFolder';
  }
}

/**
 * The folder that the demo shall take, as an absolute path without links.
 *
 * @param askedFrom the folder in which the command was given
 * @param dataDir where the stack will put the copy
 * @throws {UnusableFolder}
 */
export async function givenFolder(argument: string, askedFrom: string, dataDir: string): Promise<string> {
  const named = resolve(askedFrom, argument);
  const unusable = (problem: string) => new UnusableFolder(named, problem);
  try {
    if (!(await stat(named)).isDirectory()) throw unusable('is not a folder. Name a folder.');
    const folder = await realpath(named);
    await access(folder, constants.R_OK | constants.X_OK);
    if (await isEmpty(folder)) throw unusable('is empty. Name a folder with something in it.');
    if (contains(folder, await realpath(dataDir).catch(() => dataDir))) {
      throw unusable(
        'holds the data of Buckets itself, which cannot be copied into themselves. Name one of its folders.',
      );
    }
    return folder;
  } catch (error) {
    throw error instanceof UnusableFolder ? error : unusable(problemOf(error as NodeJS.ErrnoException));
  }
}

/** A path on one line, whatever characters it has. */
export function forPeople(path: string): string {
  return readablePath(rawPath(path));
}

async function isEmpty(folder: string): Promise<boolean> {
  await using entries = await opendir(folder);
  return (await entries.read()) === null;
}

function contains(folder: string, path: string): boolean {
  const below = relative(folder, path);
  return !isAbsolute(below) && below.split('/')[0] !== '..';
}

function problemOf({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ENOENT':
      return 'does not exist. Put a name with spaces in quotes.';
    case 'ENOTDIR':
      return 'does not exist: something on the way to it is not a folder.';
    case 'EACCES':
    case 'EPERM':
      return 'cannot be read by this user. Name a folder that you may read.';
    default:
      return `cannot be used: ${message}.`;
  }
}
