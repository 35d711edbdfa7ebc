import { RepositoryCorrupt } from './repository-error.js';
import type { TreeEntry } from './tree-entry.js';
import { joinPath } from './tree-path.js';

/** Linux has no path of more bytes, and each folder takes at least one. */
export const MAX_DEPTH = 4096;
const TREES_AHEAD = 6;

export interface WalkedEntry {
  /** The entry's bytes below the snapshot's root, such as `project/src/main.ts`. */
  path: Buffer;
  entry: TreeEntry;
}

export interface Trees {
  /** The entries of a folder in portions. */
  tree(id: string): AsyncIterable<readonly TreeEntry[]>;
  /** Begins to read a folder that is asked for soon. */
  treeAhead(id: string): void;
}

/**
 * The entries below some folder: each folder before what is in it, and what is in it at once, names in the order of their
 * bytes. One folder is read at a time, so that no more is held of the others than where they are.
 */
export async function* walkTree(
  trees: Trees,
  tree: string,
  path: Buffer,
  signal?: AbortSignal,
): AsyncGenerator<WalkedEntry, void, undefined> {
  const folders: Folder[] = [{ path, tree, depth: 1 }];
  for (let folder = folders.pop(); folder; folder = folders.pop()) {
    const below: Folder[] = [];
    for await (const entries of trees.tree(folder.tree)) {
      signal?.throwIfAborted();
      for (const entry of entries) {
        const entryPath = joinPath(folder.path, entry.name);
        yield { path: entryPath, entry };
        if (entry.type !== 'dir') continue;
        if (folder.depth === MAX_DEPTH)
          throw new RepositoryCorrupt(`tree ${tree}`, 'its folders are nested too deeply');
        below.push({ path: entryPath, tree: subtreeOf(entry), depth: folder.depth + 1 });
      }
    }
    while (below.length > 0) folders.push(below.pop()!);
    for (const next of folders.slice(-TREES_AHEAD)) trees.treeAhead(next.tree);
  }
}

/** @throws RepositoryCorrupt when the folder names no tree */
export function subtreeOf({ subtree, name }: TreeEntry): string {
  if (subtree === undefined) throw new RepositoryCorrupt(`folder ${JSON.stringify(name.toString())}`, 'it has no tree');
  return subtree;
}

/** A folder that is still to be read. */
interface Folder {
  path: Buffer;
  tree: string;
  depth: number;
}
