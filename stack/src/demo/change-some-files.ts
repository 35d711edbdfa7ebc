import { constants } from 'node:fs';
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { changeTree } from '@buckets/trees';

const KINDS = ['edited', 'added', 'renamed', 'deleted'] as const;

/**
 * Edits, adds, renames and deletes some files of a project, as somebody at work would.
 *
 * @returns what was done, such as `5 edited, 5 added, 5 renamed, 5 deleted`
 */
export async function changeSomeFiles(projectFolder: string, seed: number): Promise<string> {
  const changes = await changeTree(await placeToWork(projectFolder), seed);
  const counts = KINDS.map((kind) => ({ kind, count: changes.filter((change) => change.kind === kind).length }));
  return counts.map(({ kind, count }) => `${count} ${kind}`).join(', ');
}

/** Root may write everywhere; anybody else meets read-only files in many a folder. */
async function placeToWork(projectFolder: string): Promise<string> {
  const home = join(projectFolder, 'project');
  if (process.geteuid?.() === 0) return home;
  return (await survey(home)).largest?.folder ?? join(projectFolder, 'persist');
}

interface Survey {
  /** Whether this user may write to the folder and to everything in it. */
  writable: boolean;
  files: number;
  /** Of the folder and those in it, the one with the most files that is writable throughout. */
  largest?: { folder: string; files: number };
}

async function survey(folder: string): Promise<Survey> {
  let writable = await allowed(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  let files = 0;
  let largest: Survey['largest'];
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      const below = await survey(path);
      writable &&= below.writable;
      files += below.files;
      if ((below.largest?.files ?? -1) > (largest?.files ?? -1)) largest = below.largest;
    } else if (entry.isFile()) {
      files++;
      // A name that is not UTF-8 is not found, and its folder is passed over.
      writable &&= await allowed(path, constants.W_OK);
    }
  }
  return { writable, files, largest: writable ? { folder, files } : largest };
}

async function allowed(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
