import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Removes a folder with everything below it, whatever modes it has; a folder that does not exist is fine. */
export async function removeTree(folder: string): Promise<void> {
  // What an ordinary user may not enter has to be opened first; rm tells what matters.
  await run('chmod', ['-R', '-f', 'u+rwX', '--', folder]).catch(() => undefined);
  await run('rm', ['-rf', '--one-file-system', '--', folder]);
}
