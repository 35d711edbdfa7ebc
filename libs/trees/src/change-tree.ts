import { constants } from 'node:fs';
import { chmod, lstat, open, readdir, rename, unlink, writeFile } from 'node:fs/promises';
import { Random } from './random.js';
import { childPath, fullPath, type RawPath } from './raw-path.js';

export type TreeChange =
  { kind: 'edited' | 'added' | 'deleted'; path: RawPath } | { kind: 'renamed'; path: RawPath; to: RawPath };

/**
 * Edits, adds, renames and deletes files, a few of each, as somebody at work would. The same tree and seed give the same
 * changes, and whoever owns it may make them: what forbids writing is opened for that moment. Files with several names are left alone, so that what is returned is all that changed besides the folders' times.
 */
export async function changeTree(folder: string, seed: number, changesOfEachKind = 5): Promise<TreeChange[]> {
  const random = new Random(`changes ${seed}`);
  const files = await plainFiles(folder);
  const changes: TreeChange[] = [];
  for (let round = 0; round < changesOfEachKind; round += 1) {
    const [edited, renamed, deleted] = [takeOne(files, random), takeOne(files, random), takeOne(files, random)];
    if (edited !== undefined) {
      await whileWritable(fullPath(folder, edited), (file) => edit(file, random));
      changes.push({ kind: 'edited', path: edited });
    }
    if (renamed !== undefined) {
      const to = inSameFolder(renamed, `renamed-${seed}-${round}`);
      await whileWritable(fullPath(folder, folderOf(renamed)), () =>
        rename(fullPath(folder, renamed), fullPath(folder, to)),
      );
      changes.push({ kind: 'renamed', path: renamed, to });
    }
    if (deleted !== undefined) {
      await whileWritable(fullPath(folder, folderOf(deleted)), () => unlink(fullPath(folder, deleted)));
      changes.push({ kind: 'deleted', path: deleted });
    }
    const added = inSameFolder(deleted ?? '', `added-${seed}-${round}`);
    const content = random.bytes(random.below(20_000));
    await whileWritable(fullPath(folder, folderOf(added)), () =>
      writeFile(fullPath(folder, added), content, { flag: 'wx' }),
    );
    changes.push({ kind: 'added', path: added });
  }
  return changes;
}

/** Lets its owner read and write a file or folder while something is done to it. */
async function whileWritable(path: Buffer, change: (path: Buffer) => Promise<void>): Promise<void> {
  const { mode } = await lstat(path);
  const isClosed = (mode & 0o600) !== 0o600;
  if (isClosed) await chmod(path, (mode & 0o7777) | 0o600);
  await change(path);
  if (isClosed) await chmod(path, mode & 0o7777);
}

/** Overwrites a part in the middle and appends a little: the content and the length change. */
async function edit(path: Buffer, random: Random): Promise<void> {
  await using file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
  const { size } = await file.stat();
  const piece = random.bytes(1 + random.below(1000));
  await file.write(piece, 0, piece.length, Math.floor(size / 2));
  await file.write(random.bytes(10), 0, 10, Math.max(size, Math.floor(size / 2) + piece.length));
}

async function plainFiles(folder: string): Promise<RawPath[]> {
  const files: RawPath[] = [];
  const folders: RawPath[] = [''];
  for (let path = folders.pop(); path !== undefined; path = folders.pop()) {
    for (const name of await readdir(fullPath(folder, path), { encoding: 'buffer' })) {
      const child = childPath(path, name);
      const stats = await lstat(fullPath(folder, child));
      if (stats.isDirectory()) folders.push(child);
      if (stats.isFile() && stats.nlink === 1) files.push(child);
    }
  }
  return files.sort();
}

function takeOne(files: RawPath[], random: Random): RawPath | undefined {
  return files.length === 0 ? undefined : files.splice(random.below(files.length), 1)[0];
}

function inSameFolder(path: RawPath, name: string): RawPath {
  const folder = folderOf(path);
  return folder === '' ? name : `${folder}/${name}`;
}

function folderOf(path: RawPath): RawPath {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
