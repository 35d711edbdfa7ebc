import { ObjectNotFound } from '@buckets/object-storage';
import { createHash } from 'node:crypto';

import { BlobIndex } from './blob-index.js';
import type { BlobLocation } from './blob-index.js';
import { BoundedCache } from './bounded-cache.js';
import { inParallel } from './in-parallel.js';
import { parseIndexedPack, readWholeIndexFile } from './index-file.js';
import type { IndexedPack, IndexFile } from './index-file.js';
import { isId } from './json-fields.js';
import { MAX_BLOBS } from './loaded-index.js';
import { packSize } from './pack-format.js';
import { PackReader } from './pack-reader.js';
import { readConfig } from './read-config.js';
import { RepositoryCorrupt, RepositoryError, RepositoryNotFound } from './repository-error.js';
import { RepositoryKey } from './repository-key.js';
import { hashOf, nameIn, RepositoryObjects } from './repository-objects.js';
import type { RepositoryStore } from './repository-store.js';
import { parseSnapshot } from './snapshot.js';
import type { TreeEntry } from './tree-entry.js';
import { TreeReader } from './tree-reader.js';

/** An object of a repository that is not what was stored. */
export interface DamagedObject {
  kind: 'config' | 'key' | 'index' | 'snapshot' | 'pack';
  /** The object's name; absent where it has none, and where nobody knows which one is missing. */
  id?: string;
  damage: 'missing' | 'wrong-size' | 'altered';
}

export interface SurveyOptions {
  store: RepositoryStore;
  /** Where in the store the repository begins; empty, or ends in `/`. */
  prefix: string;
  /** restic's master key JSON. */
  masterKey: string;
  signal?: AbortSignal;
  /** Called over and over while it goes on. */
  onSign?: () => void;
}

/** Which snapshots could be restored whole, of those that were asked for. */
export interface Losses {
  damaged: Set<string>;
  whole: Set<string>;
}

const AT_ONCE = 8;
const KEY_BYTES = 1024 * 1024;
const TREE_CACHE_BYTES = 8 * 1024 * 1024;
/** Rounds in which reading trees finds packs that are damaged. Each settles all that were found before. */
const MAX_ROUNDS = 20;

/**
 * Looks at what a repository holds: each small object is read and proven, and each pack that the index names is compared
 * with the listing by its size. The content of packs is not read; `readPacks` does that.
 *
 * @throws ObjectStorageError when the storage does not say; RepositoryKeyMismatch, RepositoryUnsupported
 */
export async function surveyRepository(options: SurveyOptions, part: 'all' | 'packs' = 'all'): Promise<Survey> {
  const survey = new Survey(options);
  await survey.begin(part);
  return survey;
}

/** What there is in a repository, and what of it is damaged. */
export class Survey {
  /** The id in the config, where that can be read. */
  configId: string | undefined;
  /** Trees of the snapshots that can be read, by their ids. */
  readonly snapshots = new Map<string, string>();
  /** Packs that the index names, and that are there in the right size; in bytes. */
  readonly packs = new Map<string, number>();
  /** Whether there are packs that no index file names: of a backup that was cut off, or of an index file that is gone. */
  hasUnnamedPacks = false;
  private readonly objects: RepositoryObjects;
  private readonly found = new Map<string, DamagedObject>();
  /** Of packs that were found altered: the blobs in them that are as they should be. */
  private readonly readable = new Map<string, Set<string>>();
  /** What can be read, as far as is known. */
  private blobs = new BlobIndex(MAX_BLOBS);
  private treeReader: TreeReader | undefined;

  /** Use `surveyRepository`. */
  constructor(private readonly options: SurveyOptions) {
    const { store, prefix, masterKey } = options;
    this.objects = new RepositoryObjects(store, prefix, new RepositoryKey(masterKey));
  }

  /** @param part `packs`: of snapshots as many are read as are asked for later, and config and keys are not looked at */
  async begin(part: 'all' | 'packs' = 'all'): Promise<void> {
    if (part === 'all') {
      await this.lookAtConfig();
      await this.lookAtKeys();
      await this.lookAtSnapshots();
    }
    await this.lookAtPacks();
  }

  get damaged(): DamagedObject[] {
    return [...this.found.values()];
  }

  /** Bytes of all packs that are there as the index has them. */
  get bytes(): number {
    return this.packs.values().reduce((sum, size) => sum + size, 0);
  }

  /** Whether all can be read that says what there is; rustic reads nothing at all otherwise. */
  get isReadableByRustic(): boolean {
    return this.damaged.every(
      ({ kind, damage }) => kind === 'pack' || kind === 'key' || (kind === 'index' && damage === 'missing'),
    );
  }

  /**
   * Reads these packs whole and proves each blob in them.
   *
   * @param onRead called with the bytes of each pack that was read
   */
  async readPacks(wanted: ReadonlySet<string>, onRead: (bytes: number) => void = () => undefined): Promise<void> {
    const left = new Set([...wanted].filter((id) => this.packs.has(id)));
    let isWorse = false;
    for await (const pack of this.packsOfIndex()) {
      if (!left.delete(pack.id)) continue;
      const size = this.packs.get(pack.id)!;
      if (!(await this.isSound(pack, size))) isWorse = true;
      onRead(size);
    }
    if (isWorse) await this.load();
  }

  /** The packs that a snapshot needs, as far as its trees can be read. */
  async packsOf(snapshotId: string): Promise<Set<string>> {
    const needed = new Set<string>();
    const tree = this.snapshots.get(snapshotId);
    if (tree === undefined) return needed;
    const seen = new Uint8Array(this.blobs.size);
    const trees = [tree];
    for (let id = trees.pop(); id !== undefined; id = trees.pop()) {
      const row = this.blobs.rowOf(id);
      if (row < 0 || seen[row] !== 0) continue;
      seen[row] = 1;
      needed.add(this.blobs.find(id)!.pack);
      await this.isReadable(id, ({ content, subtree }) => {
        if (subtree !== undefined) trees.push(subtree);
        for (const { id: blob } of content) {
          const location = this.blobs.find(blob);
          if (location !== undefined) needed.add(location.pack);
        }
      });
    }
    return needed;
  }

  /**
   * Reads the trees of these snapshots, and says of which of them something is lost. A tree that cannot be read is looked
   * into: its pack is read whole.
   */
  async lossesOf(snapshotIds: Iterable<string>): Promise<Losses> {
    const ids = [...snapshotIds];
    let isSecond = false;
    for (let round = 1; ; round++) {
      const before = this.found.size;
      const { losses, suspects } = await this.lossesNow(ids);
      const isNew = this.found.size > before;
      if ((!isNew && (suspects === 0 || isSecond)) || round === MAX_ROUNDS) return losses;
      // A tree that cannot be read, in a pack that is sound, was altered on its way.
      isSecond = !isNew;
      this.treeReader = undefined;
    }
  }

  private async lossesNow(ids: readonly string[]): Promise<{ losses: Losses; suspects: number }> {
    const losses: Losses = { damaged: new Set(), whole: new Set() };
    const suspects = new Set<string>();
    const verdicts = new Uint8Array(this.blobs.size);
    for (const id of ids) {
      const tree = await this.treeOf(id);
      const isWhole = tree !== undefined && (await this.isWhole(tree, verdicts, suspects));
      losses[isWhole ? 'whole' : 'damaged'].add(id);
    }
    await this.readPacks(suspects);
    return { losses, suspects: suspects.size };
  }

  /** Whether nothing below a tree is lost. What is known of trees is noted in `verdicts`, by their rows. */
  private async isWhole(tree: string, verdicts: Uint8Array, suspects: Set<string>): Promise<boolean> {
    const path: { row: number; subtrees: string[] }[] = [];
    const lose = (): false => {
      for (const { row } of path) verdicts[row] = LOST;
      return false;
    };
    /** Goes down into a tree; false when something of it is lost. */
    const enter = async (id: string): Promise<boolean> => {
      const row = this.blobs.rowOf(id);
      if (row < 0 || verdicts[row] === LOST) return false;
      if (verdicts[row] === WHOLE) return true;
      const subtrees: string[] = [];
      let lacksNothing = true;
      const readable = await this.isReadable(
        id,
        ({ type, content, subtree }) => {
          if (subtree !== undefined) subtrees.push(subtree);
          lacksNothing &&= content.every(({ id: blob }) => this.blobs.rowOf(blob) >= 0);
          lacksNothing &&= type !== 'dir' || subtree !== undefined;
        },
        suspects,
      );
      if (!readable) {
        verdicts[row] = LOST;
        return false;
      }
      path.push({ row, subtrees });
      return lacksNothing;
    };
    if (!(await enter(tree))) return lose();
    for (let folder = path.at(-1); folder !== undefined; folder = path.at(-1)) {
      const next = folder.subtrees.pop();
      if (next === undefined) {
        verdicts[folder.row] = WHOLE;
        path.pop();
      } else if (!(await enter(next))) {
        return lose();
      }
    }
    return true;
  }

  /** Takes the entries of a tree, and says whether it could be read whole; if not, its pack is a suspect. */
  private async isReadable(id: string, take: (entry: TreeEntry) => void, suspects?: Set<string>): Promise<boolean> {
    const { pack } = this.blobs.find(id)!;
    try {
      for await (const entries of this.trees.entries(id)) {
        this.goOn();
        for (const entry of entries) take(entry);
      }
      return true;
    } catch (error) {
      if (!(error instanceof RepositoryCorrupt)) throw error;
      suspects?.add(pack);
      return false;
    }
  }

  private get trees(): TreeReader {
    const { objects } = this;
    const known = (id: string): BlobLocation | undefined => this.blobs.find(id);
    const locator = { known, find: (id: string) => Promise.resolve(known(id)), refresh: () => Promise.resolve() };
    return (this.treeReader ??= new TreeReader(
      new PackReader(objects, locator),
      new BoundedCache(TREE_CACHE_BYTES),
      objects.prefix,
    ));
  }

  private async lookAtConfig(): Promise<void> {
    try {
      this.configId = (await twice(() => readConfig(this.objects))).id;
    } catch (error) {
      if (error instanceof RepositoryNotFound) this.note({ kind: 'config', damage: 'missing' });
      else if (error instanceof RepositoryCorrupt) this.note({ kind: 'config', damage: 'altered' });
      else throw error;
    }
  }

  /** Nobody knows how many there were; without any the recovery password opens nothing. */
  private async lookAtKeys(): Promise<void> {
    let keys = 0;
    const { store, prefix, signal } = this.options;
    for await (const { key } of store.list(`${prefix}keys/`, { signal })) {
      const id = nameIn(key);
      if (!isId(id)) continue;
      keys += 1;
      if (!(await this.isKey(key, id))) this.note({ kind: 'key', id, damage: 'altered' });
    }
    if (keys === 0) this.note({ kind: 'key', damage: 'missing' });
  }

  private async isKey(key: string, id: string): Promise<boolean> {
    const { store, signal } = this.options;
    for (let readings = 0; readings < 2; readings++) {
      const bytes = await store.get(key, { maxBytes: KEY_BYTES, signal });
      if (createHash('sha256').update(bytes).digest('hex') === id) return true;
    }
    return false;
  }

  private async lookAtSnapshots(): Promise<void> {
    await inParallel(await this.objects.ids('snapshots'), AT_ONCE, (id) => this.treeOf(id));
  }

  /** The tree of a snapshot, which is asked for by itself where the listing has not shown it; undefined where it is lost. */
  async treeOf(id: string): Promise<string | undefined> {
    this.goOn();
    const known = this.snapshots.get(id);
    if (known !== undefined) return known;
    try {
      const parse = (document: unknown) => parseSnapshot(id, document);
      const { tree } = await twice(() => this.objects.document(`snapshots/${id}`, parse));
      this.snapshots.set(id, tree);
      return tree;
    } catch (error) {
      if (error instanceof RepositoryCorrupt) this.note({ kind: 'snapshot', id, damage: 'altered' });
      else if (!(error instanceof ObjectNotFound)) throw error;
      return undefined;
    }
  }

  /** What a listing has not shown as the index has it is asked for by itself: a listing may lack what is there. */
  private async damageOf({ id }: IndexedPack, size: number): Promise<'missing' | 'wrong-size' | undefined> {
    this.goOn();
    try {
      const end = await this.objects.packBytes(id, size - 1, 2, this.options.signal);
      return end.length === 1 ? undefined : 'wrong-size';
    } catch (error) {
      if (error instanceof ObjectNotFound) return 'missing';
      if (error instanceof RepositoryCorrupt) return 'wrong-size';
      throw error;
    }
  }

  private async lookAtPacks(): Promise<void> {
    const stored = new Map<string, number>();
    const { store, prefix, signal } = this.options;
    for await (const { key, size } of store.list(`${prefix}data/`, { signal })) {
      const id = nameIn(key);
      if (isId(id)) stored.set(id, size);
      if (stored.size % 1000 === 0) this.goOn();
    }
    const named = new Set<string>();
    const blobs = new BlobIndex(MAX_BLOBS);
    for await (const pack of this.packsOfIndex()) {
      const { id } = pack;
      named.add(id);
      const size = packSize(pack);
      const isListed = stored.get(id) === size;
      // Of a pack that is marked for deletion, nobody needs anything.
      if (!isListed && (pack.isFading || this.packs.has(id))) continue;
      const damage = isListed ? undefined : await this.damageOf(pack, size);
      if (damage !== undefined) {
        this.note({ kind: 'pack', id, damage });
        continue;
      }
      this.packs.set(id, size);
      this.found.delete(`pack/${id}`);
      add(blobs, pack, pack.blobs);
    }
    this.hasUnnamedPacks = stored.keys().some((id) => !named.has(id));
    this.blobs = blobs;
    // Without its first tree nothing of a snapshot is found: then an index file is gone, if none is there that is altered.
    const isExplained = this.damaged.some(({ kind }) => kind === 'index');
    const lacksTrees = this.snapshots.values().some((tree) => this.blobs.rowOf(tree) < 0);
    if (lacksTrees && this.hasUnnamedPacks && !isExplained) this.note({ kind: 'index', damage: 'missing' });
  }

  /** Learns once more where all that can be read lies: without what was found to be altered. */
  private async load(): Promise<void> {
    const blobs = new BlobIndex(MAX_BLOBS);
    for await (const pack of this.packsOfIndex()) {
      const readable = this.readable.get(pack.id);
      if (!this.packs.has(pack.id) && readable === undefined) continue;
      add(blobs, pack, readable === undefined ? pack.blobs : pack.blobs.filter(({ id }) => readable.has(id)));
    }
    this.blobs = blobs;
    this.treeReader = undefined;
  }

  /** All packs that the index files name, one file at a time. A file that cannot be read is noted. */
  private async *packsOfIndex(): AsyncGenerator<NamedPack> {
    for (const indexId of await this.objects.ids('index')) {
      this.goOn();
      const packs = await this.packsOfFile(indexId);
      for (const pack of packs) yield { ...pack, indexId };
    }
  }

  private async packsOfFile(indexId: string): Promise<Omit<NamedPack, 'indexId'>[]> {
    try {
      const file = await twice(() => readWholeIndexFile(this.objects, indexId));
      return this.objects.read(`index/${indexId}`, () => packsNamedIn(file));
    } catch (error) {
      if (error instanceof RepositoryCorrupt) this.note({ kind: 'index', id: indexId, damage: 'altered' });
      else if (error instanceof ObjectNotFound) this.note({ kind: 'index', id: indexId, damage: 'missing' });
      else throw error;
      return [];
    }
  }

  /** Reads a pack whole. What is wrong with it is noted, and which of its blobs are as they should be. */
  private async isSound(pack: IndexedPack, size: number): Promise<boolean> {
    this.goOn();
    const isWhole = ({ isAsStored, readable }: WholePack) => isAsStored && readable.size === pack.blobs.length;
    let read = await readWholePack(this.objects, pack, size, this.options.signal);
    if (read === undefined || !isWhole(read)) {
      read = await readWholePack(this.objects, pack, size, this.options.signal);
    }
    if (read === undefined) {
      this.note({ kind: 'pack', id: pack.id, damage: 'missing' });
      this.packs.delete(pack.id);
      return false;
    }
    if (isWhole(read)) return true;
    this.note({ kind: 'pack', id: pack.id, damage: 'altered' });
    this.packs.delete(pack.id);
    this.readable.set(pack.id, read.readable);
    return false;
  }

  private note(object: DamagedObject): void {
    this.found.set(`${object.kind}/${object.id ?? ''}`, object);
  }

  private goOn(): void {
    this.options.signal?.throwIfAborted();
    this.options.onSign?.();
  }
}

/** As an index file has it; one that is fading is marked for deletion. */
type NamedPack = IndexedPack & { indexId: string; isFading: boolean };

function packsNamedIn({ packs, packs_to_delete }: IndexFile): Omit<NamedPack, 'indexId'>[] {
  return [
    ...packs.map((pack) => ({ ...parseIndexedPack(pack), isFading: false })),
    ...packs_to_delete.map((pack) => ({ ...parseIndexedPack(pack), isFading: true })),
  ];
}

/** What was altered or lost on its way is not so where it lies: it is read once more. */
async function twice<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof RepositoryError || error instanceof ObjectNotFound)) throw error;
    return read();
  }
}

function add(index: BlobIndex, { id, indexId, isFading }: NamedPack, blobs: IndexedPack['blobs']): void {
  const packs = [{ id, blobs }];
  index.add(indexId, isFading ? { packs_to_delete: packs } : { packs });
}

const WHOLE = 1;
const LOST = 2;

/** What a pack holds when it is read whole. */
export interface WholePack {
  bytes: Buffer;
  /** Whether its bytes are those that its name stands for. */
  isAsStored: boolean;
  /** The blobs that are what their ids stand for. */
  readable: Set<string>;
}

/**
 * @param size of which no more is read
 * @returns undefined when it is not there
 */
export async function readWholePack(
  objects: RepositoryObjects,
  { id, blobs }: IndexedPack,
  size: number,
  signal?: AbortSignal,
): Promise<WholePack | undefined> {
  let bytes: Buffer;
  try {
    bytes = await objects.packBytes(id, 0, size, signal);
  } catch (error) {
    if (error instanceof ObjectNotFound) return undefined;
    // It is empty.
    if (!(error instanceof RepositoryCorrupt)) throw error;
    bytes = Buffer.alloc(0);
  }
  const readable = new Set<string>();
  for (const { id: blob, offset, length, uncompressed_length } of blobs) {
    const location = { pack: id, offset, length, uncompressedLength: uncompressed_length || undefined };
    try {
      await objects.proveBlob(blob, location, bytes.subarray(offset, offset + length));
      readable.add(blob);
    } catch (error) {
      if (!(error instanceof RepositoryCorrupt)) throw error;
    }
  }
  return { bytes, isAsStored: (await hashOf(bytes)) === id, readable };
}
