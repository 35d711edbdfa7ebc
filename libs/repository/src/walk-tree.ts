import { RepositoryCorrupt } from './repository-error.js';
import type { TreeEntry } from './tree-entry.js';
import { joinPath } from './tree-path.js';

/** Linux has no path of more bytes, and each folder takes at least one. */
const MAX_DEPTH = 4096;
const TREES_AHEAD = 6;

export interface WalkedEntry {
  /** The entry's bytes below the snapshot's root, such as `project/src/main.ts`. */
  path: Buffer;
  entry: TreeEntry;
}

export type ReadTree = (id: string) => Promise<readonly TreeEntry[]>;

/** The entries below some folder: each folder before what is in it, names in the order of their bytes. */
export async function* walkTree(
  readTree: ReadTree,
  tree: string,
  path: Buffer,
  signal?: AbortSignal,
): AsyncGenerator<WalkedEntry, void, undefined> {
  const folders = [folderOf(await readTree(tree), path)];
  for (let folder = folders.at(-1); folder; folder = folders.at(-1)) {
    signal?.throwIfAborted();
    const entry = folder.entries[folder.next++];
    if (!entry) {
      folders.pop();
      continue;
    }
    const entryPath = joinPath(folder.path, entry.name);
    yield { path: entryPath, entry };
    if (entry.type !== 'dir') continue;
    if (folders.length === MAX_DEPTH) throw new RepositoryCorrupt(`tree ${tree}`, 'its folders are nested too deeply');
    folders.push(folderOf(await nextSubtree(readTree, folder), entryPath));
  }
}

/** @throws RepositoryCorrupt when the folder names no tree */
export function subtreeOf({ subtree, name }: TreeEntry): string {
  if (subtree === undefined) throw new RepositoryCorrupt(`folder ${JSON.stringify(name.toString())}`, 'it has no tree');
  return subtree;
}

interface Folder {
  path: Buffer;
  entries: readonly TreeEntry[];
  /** The entry that comes next. */
  next: number;
  /** The subfolders that nobody has begun to read. */
  unread: TreeEntry[];
  /** The trees of the next subfolders, being read. */
  reading: Promise<readonly TreeEntry[]>[];
}

function folderOf(entries: readonly TreeEntry[], path: Buffer): Folder {
  return { path, entries, next: 0, unread: entries.filter(({ type }) => type === 'dir').reverse(), reading: [] };
}

async function nextSubtree(readTree: ReadTree, { unread, reading }: Folder): Promise<readonly TreeEntry[]> {
  while (reading.length <= TREES_AHEAD && unread.length > 0) {
    const entry = unread.pop()!;
    const tree = (async () => readTree(subtreeOf(entry)))();
    // The walk gets the failure when it comes to this folder; one that ends before does not care.
    tree.catch(() => undefined);
    reading.push(tree);
  }
  return reading.shift()!;
}
