import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress } from 'node:zlib';

import { BoundedCache } from './bounded-cache.js';
import { writeIndexFile } from './index-file.js';
import type { IndexBlob, IndexedPack } from './index-file.js';
import { asId, asObject } from './json-fields.js';
import { LoadedIndex } from './loaded-index.js';
import type { MendOptions } from './mend-repository.js';
import { sealedPack } from './pack-format.js';
import { PackReader } from './pack-reader.js';
import { RepositoryCorrupt } from './repository-error.js';
import { RepositoryKey } from './repository-key.js';
import { packName, RepositoryObjects } from './repository-objects.js';
import type { MendableStore } from './repository-store.js';
import { withoutEntries } from './tree-copy.js';
import { joinPath } from './tree-path.js';
import { TreeReader } from './tree-reader.js';
import { MAX_DEPTH } from './walk-tree.js';

/** What a snapshot names and its repository does not hold any more. */
export interface LostEntry {
  /** The entry's bytes below the snapshot's root. */
  path: Buffer;
  /** Of a folder, the list of what is in it is lost: it is there, and empty. */
  type: 'file' | 'folder';
}

export interface LostEntries {
  total: number;
  /** The first hundred. */
  first: LostEntry[];
}

/** What can be read of a snapshot, as a snapshot of its own. */
export interface ReadablePart {
  /** Of that snapshot; of the first one where nothing of it is lost. */
  snapshotId: string;
  /** By the names of the snapshot's roots; of one that is not there, nothing is lost. */
  lost: Map<string, LostEntries>;
  /** Takes it out of the repository again. What is left by one that was cut off is a snapshot that is no backup. */
  remove(): Promise<void>;
}

const MOST_NAMED = 100;
const TREE_CACHE_BYTES = 8 * 1024 * 1024;
const PACK_BYTES = 16 * 1024 * 1024;

/**
 * Stores a snapshot with all that can be read of another one: without the files of which a blob is lost, and with folders
 * whose tree is lost left empty. What is lost is what no index file names, as after `mendRepository`. To be done while nobody
 * else writes into the repository.
 *
 * @param tags of the new snapshot, by which one that was left is known
 * @throws RepositoryCorrupt where an index file names what cannot be read, or where nothing can be read of the snapshot;
 *   ObjectStorageError
 */
export async function storeReadablePart(
  options: MendOptions,
  snapshotId: string,
  tags: readonly string[],
): Promise<ReadablePart> {
  return new PartMaker(options).make(snapshotId, tags);
}

class PartMaker {
  private readonly objects: RepositoryObjects;
  private readonly index: LoadedIndex;
  private readonly packs: PackReader;
  private readonly trees: TreeReader;
  private readonly written: TreeWriter;
  private readonly lost: ReadablePart['lost'] = new Map();

  constructor(private readonly options: MendOptions) {
    const { store, prefix, masterKey } = options;
    this.objects = new RepositoryObjects(store, prefix, new RepositoryKey(masterKey));
    this.index = new LoadedIndex(this.objects);
    this.packs = new PackReader(this.objects, this.index);
    this.trees = new TreeReader(this.packs, new BoundedCache(TREE_CACHE_BYTES), prefix);
    this.written = new TreeWriter(this.objects, store);
  }

  async make(snapshotId: string, tags: readonly string[]): Promise<ReadablePart> {
    const { store, prefix, confirm } = this.options;
    const name = `snapshots/${snapshotId}` as const;
    const whole = await this.objects.document(name, (document) => asObject(document, 'snapshot'));
    const tree = this.objects.read(name, () => asId(whole['tree'], 'tree'));
    await this.index.refresh();
    if (!this.isThere(tree)) throw new RepositoryCorrupt(name, 'the list of what it holds is lost');
    const remove = () => this.written.remove();
    try {
      const left = await this.readableOf(tree, Buffer.alloc(0), 1);
      if (this.lost.size === 0) return { snapshotId, lost: this.lost, remove: () => Promise.resolve() };
      await confirm?.();
      await this.written.end();
      // Without the description it is nobody's backup.
      const { description: _none, ...rest } = whole;
      const part = JSON.stringify({ ...rest, tree: left, tags });
      const sealed = this.objects.key.seal(Buffer.from(part));
      const id = createHash('sha256').update(sealed).digest('hex');
      this.written.names.push(`snapshots/${id}`);
      await store.put(`${prefix}snapshots/${id}`, sealed);
      return { snapshotId: id, lost: this.lost, remove };
    } catch (error) {
      // What is left then is a snapshot that nobody knows, or nothing at all.
      await remove().catch(() => undefined);
      throw error;
    }
  }

  /** The id of the tree with what can be read below it, the same where that is everything. */
  private async readableOf(tree: string, path: Buffer, depth: number): Promise<string> {
    if (depth > MAX_DEPTH) throw new RepositoryCorrupt(`tree ${tree}`, 'its folders are nested too deeply');
    const changes = new Map<number, string | undefined>();
    const folders: { at: number; place: Buffer; subtree: string }[] = [];
    let at = -1;
    for await (const entries of this.trees.entries(tree)) {
      this.options.signal?.throwIfAborted();
      this.options.onSign?.();
      for (const { type, name, content, subtree } of entries) {
        at += 1;
        const place = joinPath(path, name);
        const lacks = type === 'dir' ? subtree === undefined : content.some(({ id }) => !this.isThere(id));
        if (lacks) {
          this.lose(place, type === 'dir' ? 'folder' : 'file');
          changes.set(at, undefined);
        } else if (subtree !== undefined) {
          folders.push({ at, place, subtree });
        }
      }
    }
    for (const { at: number, place, subtree } of folders) {
      const left = await this.readableFolder(subtree, place, depth);
      if (left !== subtree) changes.set(number, left);
    }
    if (changes.size === 0) return tree;
    return this.written.add(withoutEntries(`tree ${tree}`, this.packs.largeTree(tree), changes));
  }

  private async readableFolder(subtree: string, place: Buffer, depth: number): Promise<string> {
    if (this.isThere(subtree)) return this.readableOf(subtree, place, depth + 1);
    this.lose(place, 'folder');
    return this.written.add([EMPTY_TREE]);
  }

  private isThere(id: string): boolean {
    return this.index.known(id) !== undefined;
  }

  private lose(path: Buffer, type: LostEntry['type']): void {
    const [root] = path.toString('latin1').split('/', 1);
    const lost = this.lost.get(root!) ?? { total: 0, first: [] };
    this.lost.set(root!, lost);
    lost.total += 1;
    if (lost.first.length < MOST_NAMED) lost.first.push({ path, type });
  }
}

const EMPTY_TREE = Buffer.from('{"nodes":[]}\n');

/** Stores trees in packs of their own, and knows what it has stored. */
class TreeWriter {
  /** Of objects, in the order in which they came. */
  readonly names: string[] = [];
  private readonly added = new Set<string>();
  private readonly packs: IndexedPack[] = [];
  private parts: Buffer[] = [];
  private blobs: IndexBlob[] = [];
  private length = 0;

  constructor(
    private readonly objects: RepositoryObjects,
    private readonly store: MendableStore,
  ) {}

  /** The id of the tree. Of a large one no more is held than is stored. */
  async add(pieces: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<string> {
    const hash = createHash('sha256');
    const compressed: Buffer[] = [];
    let plainLength = 0;
    const hashed = async function* () {
      for await (const piece of pieces) {
        hash.update(piece);
        plainLength += piece.length;
        yield piece;
      }
    };
    await pipeline(Readable.from(hashed()), createZstdCompress(), async (stored: AsyncIterable<Buffer>) => {
      for await (const piece of stored) compressed.push(piece);
    });
    const id = hash.digest('hex');
    if (this.added.has(id)) return id;
    this.added.add(id);
    const sealed = this.objects.key.seal(Buffer.concat(compressed));
    const { length } = sealed;
    this.blobs.push({ id, type: 'tree', offset: this.length, length, uncompressed_length: plainLength });
    this.parts.push(sealed);
    this.length += length;
    if (this.length >= PACK_BYTES) await this.storePack();
    return id;
  }

  /** All that was added can be read afterwards. */
  async end(): Promise<void> {
    if (this.blobs.length > 0) await this.storePack();
    this.names.push(`index/${await writeIndexFile(this.objects, this.store, { packs: this.packs })}`);
  }

  async remove(): Promise<void> {
    for (let name = this.names.pop(); name !== undefined; name = this.names.pop()) {
      await this.store.delete(this.objects.prefix + name);
    }
  }

  private async storePack(): Promise<void> {
    const { id, bytes } = sealedPack(this.objects.key, this.parts, this.blobs);
    this.names.push(packName(id));
    await this.store.put(this.objects.prefix + packName(id), bytes);
    this.packs.push({ id, blobs: this.blobs });
    [this.parts, this.blobs, this.length] = [[], [], 0];
  }
}
