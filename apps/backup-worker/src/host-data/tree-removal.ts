import { mountPointsWithin } from '../file-system/mount-points.js';
import { exists } from '../file-system/paths.js';
import { runTool, ToolFailedError, type ToolLimits } from '../processes/run-tool.js';
import { RootBusyError } from './errors.js';

/**
 * Removes a folder of the worker's own with all that is in it. `rm` walks by open folders: it follows no link, whoever may
 * still be changing the tree, copes with paths of any length, and stays on its file system.
 * @throws RootBusyError when something is mounted in there; ToolFailedError when something could not be removed
 */
export async function removeTree(folder: string, limits: ToolLimits): Promise<void> {
  if (!(await exists(folder))) return;
  const mounted = await mountPointsWithin(folder);
  if (mounted.length > 0) throw new RootBusyError(folder, `${mounted[0]} is mounted there`);
  try {
    await rm(folder, limits);
  } catch (error) {
    if (!(error instanceof ToolFailedError) || error.absent || isRoot()) throw error;
    // An ordinary user cannot look into folders of its own that deny it.
    await runTool('chmod', ['-R', 'u+rwX', '--', folder], limits);
    await rm(folder, limits);
  }
}

function rm(folder: string, limits: ToolLimits): Promise<void> {
  return runTool('rm', ['-rf', '--one-file-system', '--', folder], limits);
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}
