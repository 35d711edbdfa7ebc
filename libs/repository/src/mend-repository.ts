import { ObjectNotFound } from '@buckets/object-storage';
import { createHash } from 'node:crypto';

import { packIdOf, parseIndexedPack, readWholeIndexFile, writeIndexFile } from './index-file.js';
import type { IndexBlob, IndexedPack, IndexFile } from './index-file.js';
import { packSize, sealedPack } from './pack-format.js';
import { RepositoryCorrupt } from './repository-error.js';
import { RepositoryKey } from './repository-key.js';
import { packName, RepositoryObjects } from './repository-objects.js';
import type { MendableStore } from './repository-store.js';
import { readWholePack } from './survey.js';
import type { DamagedObject, SurveyOptions } from './survey.js';
import { ASIDE, indexPacks } from './unindexed-packs.js';

const LARGEST_ASIDE = 1024 * 1024 * 1024;

export interface MendOptions extends SurveyOptions {
  store: MendableStore;
  /** Asked before each step; throws when somebody else has the say by now. */
  confirm?: () => Promise<void>;
}

/**
 * Makes a repository say what it really holds, so that the next backup writes anew what is lost, and whatever else there
 * is can be read. What can be read of a damaged pack is copied into a new one, and the index names that one instead. What
 * is damaged is kept, under `damaged/`: nothing is thrown away. To be done while nobody writes into the repository; may be
 * cut off anywhere, and begun again.
 *
 * @throws ObjectStorageError
 */
export async function mendRepository(
  { store, prefix, masterKey, signal, onSign, confirm = () => Promise.resolve() }: MendOptions,
  damaged: readonly DamagedObject[],
): Promise<void> {
  const objects = new RepositoryObjects(store, prefix, new RepositoryKey(masterKey));
  const goOn = async (): Promise<void> => {
    signal?.throwIfAborted();
    onSign?.();
    await confirm();
  };
  const there = damaged.filter(({ damage }) => damage !== 'missing');
  const names = there.map(({ kind, id = '' }) => (kind === 'pack' ? packName(id) : NAMES[kind](id)));
  // Before anything goes. A pack with a copy aside is believed by nobody until it is proven to be whole (`indexPacks`).
  for (const name of names) {
    await goOn();
    await copyAside(store, prefix, name);
  }
  const packs = new Map(damaged.flatMap(({ kind, id, damage }) => (kind === 'pack' && id ? [[id, damage]] : [])));
  if (packs.size > 0) {
    for (const indexId of await objects.ids('index')) {
      if (names.includes(NAMES.index(indexId))) continue;
      await goOn();
      await withdraw(objects, store, indexId, packs, goOn);
    }
  }
  for (const name of names) {
    await goOn();
    await store.delete(prefix + name);
  }
  await indexPacks(store, prefix, masterKey, signal);
}

const NAMES: Record<Exclude<DamagedObject['kind'], 'pack'>, (id: string) => string> = {
  config: () => 'config',
  key: (id) => `keys/${id}`,
  index: (id) => `index/${id}`,
  snapshot: (id) => `snapshots/${id}`,
};

/** What was put aside before under that name stays. What is too large to be copied fails: it would be lost. */
async function copyAside(store: MendableStore, prefix: string, name: string): Promise<void> {
  let bytes: Buffer;
  try {
    bytes = await store.get(prefix + name, { maxBytes: LARGEST_ASIDE });
  } catch (error) {
    if (error instanceof ObjectNotFound) return;
    throw error;
  }
  const hash = createHash('sha256').update(bytes).digest('hex');
  await store.put(`${prefix}${ASIDE}${name}.${hash}`, bytes);
}

/** Has an index file name no damaged pack any more. The new one is there before the old one goes. */
async function withdraw(
  objects: RepositoryObjects,
  store: MendableStore,
  indexId: string,
  damaged: ReadonlyMap<string, DamagedObject['damage']>,
  goOn: () => Promise<void>,
): Promise<void> {
  const file = await indexFileOf(objects, indexId);
  if (file === undefined) return;
  const isDamaged = (pack: unknown): boolean => damaged.has(packIdOf(pack));
  const lost = file.packs.filter(isDamaged).map(parseIndexedPack);
  if (lost.length === 0 && !file.packs_to_delete.some(isDamaged)) return;
  const saved: IndexedPack[] = [];
  for (const pack of lost) {
    await goOn();
    const copy = damaged.get(pack.id) === 'missing' ? undefined : await salvaged(objects, store, pack);
    if (copy !== undefined) saved.push(copy);
  }
  const packs = [...file.packs.filter((pack) => !isDamaged(pack)), ...saved];
  const packs_to_delete = file.packs_to_delete.filter((pack) => !isDamaged(pack));
  if (packs.length + packs_to_delete.length > 0)
    await writeIndexFile(objects, store, { ...file, packs, packs_to_delete });
  await store.delete(`${objects.prefix}index/${indexId}`);
}

async function indexFileOf(objects: RepositoryObjects, indexId: string): Promise<IndexFile | undefined> {
  try {
    return await readWholeIndexFile(objects, indexId);
  } catch (error) {
    // One that cannot be read was put aside, or will be by the next mending.
    if (error instanceof ObjectNotFound || error instanceof RepositoryCorrupt) return undefined;
    throw error;
  }
}

/** Stores a pack with what can be read of a damaged one. */
async function salvaged(
  objects: RepositoryObjects,
  store: MendableStore,
  pack: IndexedPack,
): Promise<IndexedPack | undefined> {
  const read = await readWholePack(objects, pack, packSize(pack));
  if (read === undefined || read.readable.size === 0) return undefined;
  const blobs: IndexBlob[] = [];
  const parts: Buffer[] = [];
  let end = 0;
  for (const blob of pack.blobs.toSorted((a, b) => a.offset - b.offset)) {
    if (!read.readable.has(blob.id)) continue;
    parts.push(read.bytes.subarray(blob.offset, blob.offset + blob.length));
    blobs.push({ ...blob, offset: end });
    end += blob.length;
  }
  const { id, bytes } = sealedPack(objects.key, parts, blobs);
  await store.put(objects.prefix + packName(id), bytes);
  return { id, blobs };
}
