import type { ObjectInfo } from '@buckets/object-storage';
import { createHash } from 'node:crypto';

import { inParallel } from './in-parallel.js';
import { packIdOf, readIndexFile, writeIndexFile } from './index-file.js';
import type { IndexBlob } from './index-file.js';
import { isId } from './json-fields.js';
import { blobsIn, LENGTH_BYTES } from './pack-format.js';
import { RepositoryKey, SEAL_BYTES } from './repository-key.js';
import { nameIn, RepositoryObjects } from './repository-objects.js';
import type { WritableStore } from './repository-store.js';

export interface IndexedPacks {
  packs: number;
  bytes: number;
}

/** Where what is damaged is put: nobody looks for packs, indexes or snapshots there. */
export const ASIDE = 'damaged/';
/** Packs that are looked at before an index file is written, and blobs in one, but for those of its last pack. */
const PACKS_AT_ONCE = 500;
const BLOBS_AT_ONCE = 10_000;
const READ_AT_ONCE = 8;
const PART_BYTES = 4 * 1024 * 1024;
/** Read at first of the end of a pack: the header of some 1,500 blobs. */
const USUAL_HEADER = 64 * 1024;
/** As many blobs as fit into the largest pack. */
const LONGEST_HEADER = 32 * 1024 * 1024;

/**
 * Makes known what a backup that was cut off has uploaded, so that the next one need not upload it again: rustic writes
 * its index every five minutes only. Adds to the index and takes nothing away, whatever the listing says (`rustic repair
 * index` drops what it does not find). A pack whose end does not fit is left alone. Not for while a prune is under way.
 *
 * @returns what was not in the index and is now
 * @throws ObjectStorageError, RepositoryCorrupt
 */
export async function indexPacks(
  store: WritableStore,
  prefix: string,
  masterKey: string,
  signal?: AbortSignal,
): Promise<IndexedPacks> {
  const objects = new RepositoryObjects(store, prefix, new RepositoryKey(masterKey));
  const known = await knownPacks(objects);
  const suspects = await packsAside(store, prefix, signal);
  const done: IndexedPacks = { packs: 0, bytes: 0 };
  let some: ObjectInfo[] = [];
  const index = async () => {
    const found = await inParallel(some, READ_AT_ONCE, async ({ key, size }) => {
      signal?.throwIfAborted();
      if (suspects.has(nameIn(key)) && !(await isWhole(objects, key, size, signal))) return undefined;
      return packAt(objects, key, size);
    });
    signal?.throwIfAborted();
    some = [];
    for (const packs of inFiles(found.filter((pack) => pack !== undefined))) {
      await writeIndexFile(objects, store, { packs: packs.map(({ id, blobs }) => ({ id, blobs })) });
      done.packs += packs.length;
      done.bytes += packs.reduce((sum, { bytes }) => sum + bytes, 0);
    }
  };
  for await (const object of store.list(`${prefix}data/`, { signal })) {
    const id = nameIn(object.key);
    if (isId(id) && !known.has(id)) some.push(object);
    if (some.length === PACKS_AT_ONCE) await index();
  }
  await index();
  return done;
}

/** Packs of which a damaged copy was put aside. */
async function packsAside(store: WritableStore, prefix: string, signal?: AbortSignal): Promise<Set<string>> {
  const ids = new Set<string>();
  for await (const { key } of store.list(`${prefix}${ASIDE}data/`, { signal })) ids.add(nameIn(key).slice(0, 64));
  return ids;
}

/** Whether a pack's bytes are those that its name stands for, whatever its header says. */
async function isWhole(objects: RepositoryObjects, key: string, size: number, signal?: AbortSignal): Promise<boolean> {
  const hash = createHash('sha256');
  for (let at = 0; at < size; at += PART_BYTES) {
    hash.update(await objects.packBytes(nameIn(key), at, Math.min(PART_BYTES, size - at), signal));
  }
  return hash.digest('hex') === nameIn(key);
}

interface Pack {
  id: string;
  bytes: number;
  blobs: IndexBlob[];
}

async function knownPacks(objects: RepositoryObjects): Promise<Set<string>> {
  const known = new Set<string>();
  for (const id of await objects.ids('index')) {
    await readIndexFile(objects, id, (part) => {
      if ('within' in part) return;
      for (const pack of part.elements) known.add(packIdOf(pack));
    });
  }
  return known;
}

/** What a pack says of itself at its end; undefined when that is not what a whole pack says. */
async function packAt(objects: RepositoryObjects, key: string, size: number): Promise<Pack | undefined> {
  const id = nameIn(key);
  const read = (length: number) => objects.packBytes(id, size - length, length);
  if (size < LENGTH_BYTES + SEAL_BYTES) return undefined;
  let end = await read(Math.min(size, USUAL_HEADER + LENGTH_BYTES));
  const length = end.readUInt32LE(end.length - LENGTH_BYTES);
  if (length < SEAL_BYTES || length > Math.min(LONGEST_HEADER, size - LENGTH_BYTES)) return undefined;
  if (length + LENGTH_BYTES > end.length) end = await read(length + LENGTH_BYTES);
  const header = objects.key.open(end.subarray(end.length - LENGTH_BYTES - length, end.length - LENGTH_BYTES));
  const blobs = header && blobsIn(header);
  const last = blobs?.at(-1);
  if (!blobs || !last || last.offset + last.length + length + LENGTH_BYTES !== size) return undefined;
  return { id, bytes: size, blobs };
}

/** A project of a million small files has a million blobs: what one index file takes. */
function inFiles(packs: readonly Pack[]): Pack[][] {
  const files: Pack[][] = [];
  let blobs = BLOBS_AT_ONCE;
  for (const pack of packs) {
    if (blobs >= BLOBS_AT_ONCE) {
      files.push([]);
      blobs = 0;
    }
    files.at(-1)!.push(pack);
    blobs += pack.blobs.length;
  }
  return files;
}
