import { ObjectNotFound } from '@buckets/object-storage';
import { createHash } from 'node:crypto';

import { BoundedCache } from './bounded-cache.js';
import { contentLength, readContent } from './file-content.js';
import type { ContentOptions } from './file-content.js';
import { inParallel } from './in-parallel.js';
import { asCount, asId, asObject, asText, isId, parseJson } from './json-fields.js';
import { LoadedIndex } from './loaded-index.js';
import { PackReader } from './pack-reader.js';
import {
  NotAFile,
  PathNotFound,
  RepositoryCorrupt,
  RepositoryKeyMismatch,
  RepositoryNotFound,
  RepositoryUnsupported,
  SnapshotNotFound,
} from './repository-error.js';
import { RepositoryKey } from './repository-key.js';
import { LIMITS, RepositoryObjects, unpacked } from './repository-objects.js';
import type { RepositoryStore } from './repository-store.js';
import { newestFirst, parseSnapshot } from './snapshot.js';
import type { Snapshot } from './snapshot.js';
import { parseTree } from './tree-entry.js';
import type { TreeEntry } from './tree-entry.js';
import { namesOf } from './tree-path.js';
import type { TreePath } from './tree-path.js';
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

/** Trees that were read, bounded in bytes. Its keys carry the repository, so that one never answers for another. */
export type TreeCache = BoundedCache<readonly TreeEntry[]>;

export interface RepositoryConfig {
  id: string;
  version: number;
  chunkerPolynomial: string;
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
  readonly #trees: TreeCache;
  readonly #snapshots = new BoundedCache<Snapshot>(SNAPSHOT_CACHE_BYTES);

  /** Use `openRepository`. */
  constructor(
    objects: RepositoryObjects,
    readonly config: RepositoryConfig,
    trees: TreeCache,
  ) {
    this.#objects = objects;
    this.#reader = new PackReader(objects, new LoadedIndex(objects));
    this.#trees = trees;
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

  /** The entries of one folder, by the id of its tree. They are shared with other callers: do not change them. */
  async tree(id: string): Promise<readonly TreeEntry[]> {
    return this.#trees.get(`${this.#objects.prefix}:${this.config.id}:${id}`, async () => {
      const json = await this.#reader.treeBlob(id);
      const value = this.#objects.read(`tree ${id}`, () => parseTree(json));
      return { value, bytes: json.length * PARSED_TO_JSON };
    });
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
      const entries: readonly TreeEntry[] = tree === undefined ? [] : await this.tree(tree);
      entry = entries.find((candidate) => candidate.name.equals(name));
      tree = entry?.type === 'dir' ? subtreeOf(entry) : undefined;
    }
    if (!entry) throw new PathNotFound(Buffer.from(path));
    return entry;
  }

  /**
   * All entries of a snapshot or tree, or from a path on: the entry there and all below it. Folders come before what is in
   * them, names in the order of their bytes.
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
    yield* walkTree((id) => this.tree(id), tree, base, signal);
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

  async #readSnapshot(id: string): Promise<Snapshot> {
    try {
      return await this.#objects.document(`snapshots/${id}`, (document) => parseSnapshot(id, document));
    } catch (error) {
      throw error instanceof ObjectNotFound ? new SnapshotNotFound(id) : error;
    }
  }
}

/** Memory of parsed entries for each byte of their JSON. */
const PARSED_TO_JSON = 3;

function treeOf(of: Snapshot | string): string {
  return typeof of === 'string' ? of : of.tree;
}

async function readConfig(objects: RepositoryObjects): Promise<RepositoryConfig> {
  const stored = await objects.stored('config').catch((error: unknown) => {
    throw error instanceof ObjectNotFound ? new RepositoryNotFound(objects.prefix) : error;
  });
  const plain = objects.key.open(stored);
  if (!plain) {
    throw (await opensAnother(objects))
      ? new RepositoryCorrupt('config', 'its authentication tag does not fit')
      : new RepositoryKeyMismatch();
  }
  return objects.read('config', () => {
    const { id, version, chunker_polynomial } = asObject(parseJson(unpacked(plain, LIMITS.document.config)), 'config');
    const config = {
      id: asId(id, 'id'),
      version: asCount(version, 'version'),
      chunkerPolynomial: asText(chunker_polynomial, 'chunker_polynomial'),
    };
    if (config.version < 1 || config.version > 2) {
      throw new RepositoryUnsupported(`its format has version ${config.version}`);
    }
    return config;
  });
}

/** Whether the key opens some object that is intact: its name is the hash of its bytes. Then it is not the key's fault. */
async function opensAnother(objects: RepositoryObjects): Promise<boolean> {
  for (const kind of ['index', 'snapshots'] as const) {
    for (const id of await objects.ids(kind)) {
      const stored = await objects.stored(`${kind}/${id}`);
      if (createHash('sha256').update(stored).digest('hex') === id) return objects.key.open(stored) !== undefined;
    }
  }
  return false;
}
