import { readdir } from 'node:fs/promises';
import { escapeName, unescapeName } from '../file-system/escaped-name.js';

const UNKNOWN = '\ufffd';

/**
 * A path, in the form in which live files are named, with its names as they are on the disk: rustic shows bytes that are
 * no UTF-8 as U+FFFD. What is gone, or fits several names, stays as rustic showed it.
 *
 * @param root the folder that was backed up
 */
export async function asOnDisk(root: string, path: string): Promise<string> {
  if (!path.includes(UNKNOWN)) return path;
  let folder = Buffer.from(root);
  const found: string[] = [];
  for (const shown of path.split('/').slice(1)) {
    const name = shown.includes(UNKNOWN) ? await onlyOneShownAs(shown, folder) : unescapeName(shown);
    if (name === undefined) return path;
    folder = Buffer.concat([folder, Buffer.from('/'), name]);
    found.push(escapeName(name));
  }
  return `/${found.join('/')}`;
}

async function onlyOneShownAs(shown: string, folder: Buffer): Promise<Buffer | undefined> {
  const names = await readdir(folder, { encoding: 'buffer' }).catch(() => []);
  const fitting = names.filter((name) => escapeName(Buffer.from(name.toString())) === shown);
  return fitting.length === 1 ? fitting[0] : undefined;
}
