import type { FileHandle } from 'node:fs/promises';
import { runTool, ToolFailedError } from '../processes/run-tool.js';
import { LiveFilesError } from './live-files-error.js';

const LIMIT_MS = 30_000;

/**
 * Gives one file the mode, the access list and the extended attributes of another, for which Node has no calls. The program
 * gets both as open files: whoever renames them meanwhile does not make it read or write another.
 *
 * @throws LiveFilesError access-denied, disk-full, storage-failed: then some of it may have been given
 */
export async function copyAttributes(from: FileHandle, to: FileHandle): Promise<void> {
  const what = ['--attributes-only', '--preserve=mode,xattr', '--', '/proc/self/fd/3', '/proc/self/fd/4'];
  try {
    await runTool('cp', what, { timeoutMs: LIMIT_MS, files: [from.fd, to.fd] });
  } catch (error) {
    if (!(error instanceof ToolFailedError) || error.absent) throw error;
    const full = /No space left|quota exceeded/i.test(error.message);
    throw new LiveFilesError(full ? 'disk-full' : 'access-denied', { cause: error });
  }
}
