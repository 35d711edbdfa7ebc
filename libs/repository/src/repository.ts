import { ObjectNotFound } from '@buckets/object-storage';

import { BoundedCache } from './bounded-cache.js';
import { contentLength, filledLength, readContent, ZeroBlobs } from './file-content.js';
import type { ContentOptions } from './file-content.js';
import { inParallel } from './in-parallel.js';
import { isId } from './json-fields.js';
import { LoadedIndex } from './loaded-index.js';
import { PackReader } from './pack-reader.js';
import { readConfig } from './read-config.js';
import type { RepositoryConfig } from './read-config.js';
import { NotAFile, PathNotFound, SnapshotNotFound } from './repository-error.js';
import { RepositoryKey } from './repository-key.js';
import { RepositoryObjects } from './repository-objects.js';
import type { RepositoryStore } from './repository-store.js';
import { newestFirst, parseSnapshot } from './snapshot.js';
import type { Snapshot } from './snapshot.js';
import type { TreeEntry } from './tree-entry.js';
import { namesOf } from './tree-path.js';
import type { TreePath } from './tree-path.js';
import { TreeReader } from './tree-reader.js';
import type { TreeCache } from './tree-reader.js';
import { subtreeOf, walkTree } from './walk-tree.js';
import type { WalkedEntry } from './walk-tree.js';

const SNAPSHOTS_AT_ONCE = 16;
const SNAPSHOT_CACHE_BYTES = 4 * 1024 * 1024;
const TREE_CACHE_BYTES = 32 * 1024 * 1024;

export interface OpenRepositoryOptions {
  store: RepositoryStore;
  /** Where in the store the repository begins, such as `projects/<id>/`; empty for its root. */
  prefix?: string;
  /** restic's master key JSON. */
  masterKey: string;
  /** Shared between repositories, when there are many. Default: 32 MiB of its own. */
  treeCache?: TreeCache;
}

/**
 * Opens a repository in restic's format (version 1 or 2, as rustic and restic write it) for reading; one request.
 *
 * @throws RepositoryNotFound, RepositoryKeyMismatch, RepositoryCorrupt, RepositoryUnsupported, ObjectStorageError
 */
export async function openRepository(options: OpenRepositoryOptions): Promise<Repository> {
  const { store, masterKey, prefix = '', treeCache = createTreeCache() } = options;
  const root = prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`;
  const objects = new RepositoryObjects(store, root, new RepositoryKey(masterKey));
  return new Repository(objects, await readConfig(objects), treeCache);
}

export function createTreeCache(maxBytes: number = TREE_CACHE_BYTES): TreeCache {
  return new BoundedCache(maxBytes);
}

/**
 * A repository that is open for reading. Everything it gives out has been proven against the ids that name it; what does
 * not fit is a RepositoryCorrupt. It may stay open while others write: what is new is found when it is asked for.
 */
export class Repository {
  readonly #objects: RepositoryObjects;
  readonly #reader: PackReader;
  readonly #trees: TreeReader;
  readonly #zeros = new ZeroBlobs();
  readonly #snapshots = new BoundedCache<Snapshot>(SNAPSHOT_CACHE_BYTES);

  /** Use `openRepository`. */
  constructor(
    objects: RepositoryObjects,
    readonly config: RepositoryConfig,
    trees: TreeCache,
  ) {
    this.#objects = objects;
    this.#reader = new PackReader(objects, new LoadedIndex(objects));
    this.#trees = new TreeReader(this.#reader, trees, `${objects.prefix}:${config.id}`);
  }

  /** All snapshots, the newest first. One that is removed meanwhile is left out; a damaged one fails the whole. */
  async snapshots(): Promise<Snapshot[]> {
    return this.findSnapshots(() => true);
  }

  /** The snapshots that fit, the newest first. */
  async findSnapshots(fits: (snapshot: Snapshot) => boolean): Promise<Snapshot[]> {
    const ids = await this.#objects.ids('snapshots');
    const found = await inParallel(ids, SNAPSHOTS_AT_ONCE, async (id) => {
      try {
        // Under one id there is only ever one snapshot: what was read once need not be read again.
        return await this.#snapshots.get(id, async () => ({ value: await this.#readSnapshot(id), bytes: 2048 }));
      } catch (error) {
        if (error instanceof SnapshotNotFound) return undefined;
        throw error;
      }
    });
    return found
      .filter((snapshot) => snapshot !== undefined)
      .filter(fits)
      .sort(newestFirst);
  }

  /** The ids of all snapshots, page by page and in no order that means anything. */
  snapshotIds(): AsyncGenerator<string, void, undefined> {
    return this.#objects.eachId('snapshots');
  }

  /**
   * The snapshot with this full id, read anew.
   *
   * @throws SnapshotNotFound, RepositoryCorrupt, ObjectStorageError
   */
  async snapshot(id: string): Promise<Snapshot> {
    if (!isId(id)) throw new SnapshotNotFound(String(id).slice(0, 64));
    return this.#readSnapshot(id);
  }

  /**
   * The entries of one folder, by the id of its tree, in portions: as many as 128 KiB of JSON tell, some hundreds as a rule.
   * The event loop has its turn between them. They are shared with other callers: do not change them. Of a folder of any size no
   * more is held than its tree takes as it is stored, and a portion.
   *
   * @throws RepositoryCorrupt, and that also after portions that were as they should be; ObjectStorageError
   */
  tree(id: string): AsyncGenerator<readonly TreeEntry[], void, undefined> {
    return this.#trees.entries(id);
  }

  /** Begins to read a folder that is asked for soon. */
  treeAhead(id: string): void {
    this.#trees.ahead(id);
  }

  /**
   * The entry at a path. Links are not followed.
   *
   * @throws PathNotFound, also for the root, which has no entry
   */
  async entry(of: Snapshot | string, path: TreePath): Promise<TreeEntry> {
    const names = namesOf(path);
    let tree: string | undefined = treeOf(of);
    let entry: TreeEntry | undefined;
    for (const name of names) {
      entry = tree === undefined ? undefined : await this.#named(tree, name);
      tree = entry?.type === 'dir' ? subtreeOf(entry) : undefined;
    }
    if (!entry) throw new PathNotFound(Buffer.from(path));
    return entry;
  }

  /**
   * All entries of a snapshot or tree, or from a path on: the entry there and all below it. Folders come before what is in
   * them, what is in a folder comes at once, in the order of the names' bytes.
   */
  async *walk(
    of: Snapshot | string,
    { path = '', signal }: { path?: TreePath; signal?: AbortSignal } = {},
  ): AsyncGenerator<WalkedEntry, void, undefined> {
    const names = namesOf(path);
    const base = Buffer.from(names.map((name) => name.toString('latin1')).join('/'), 'latin1');
    let tree = treeOf(of);
    if (names.length > 0) {
      const entry = await this.entry(of, base);
      yield { path: base, entry };
      if (entry.type !== 'dir') return;
      tree = subtreeOf(entry);
    }
    yield* walkTree(this, tree, base, signal);
  }

  /** The bytes of a blob by its id. */
  async blob(id: string): Promise<Buffer> {
    return this.#reader.dataBlob(id);
  }

  /** The bytes of a file, or a range of them, in pieces that must not be changed. A range past the end gives what is there. */
  readFile(entry: TreeEntry, options: ContentOptions = {}): AsyncGenerator<Buffer, void, undefined> {
    if (entry.type !== 'file') throw new NotAFile(entry.type);
    return readContent(this.#reader, entry.content, options);
  }

  /** Bytes that `readFile` gives; they differ from `size` when the file changed while it was backed up. */
  async contentLength(entry: TreeEntry): Promise<number> {
    return contentLength(this.#reader, entry.content);
  }

  /** Bytes of them that a restore writes: holes come back as holes. It may be somewhat less. */
  async filledLength(entry: TreeEntry): Promise<number> {
    return filledLength(this.#reader, entry.content, this.#zeros);
  }

  async #named(tree: string, name: Buffer): Promise<TreeEntry | undefined> {
    for await (const entries of this.tree(tree)) {
      const found = entries.find((candidate) => candidate.name.equals(name));
      if (found) return found;
    }
    return undefined;
  }

  async #readSnapshot(id: string): Promise<Snapshot> {
    try {
      return await this.#objects.document(`snapshots/${id}`, (document) => parseSnapshot(id, document));
    } catch (error) {
      throw error instanceof ObjectNotFound ? new SnapshotNotFound(id) : error;
    }
  }
}

function treeOf(of: Snapshot | string): string {
  return typeof of === 'string' ? of : of.tree;
}
