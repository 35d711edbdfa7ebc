import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { zstdCompress } from 'node:zlib';

import { asCount, asId, asList, asObject, asText, Malformed, optional } from './json-fields.js';
import type { JsonObject } from './json-fields.js';
import { JsonLists } from './json-lists.js';
import type { JsonPart } from './json-lists.js';
import type { RepositoryObjects } from './repository-objects.js';
import type { WritableStore } from './repository-store.js';

/** In the words of an index file. */
export interface IndexBlob {
  id: string;
  type: 'data' | 'tree';
  offset: number;
  length: number;
  uncompressed_length?: number;
}

/** A pack as an index file has it. */
export interface IndexedPack {
  id: string;
  blobs: IndexBlob[];
  /** Bytes that the pack has in the store, when it is not what its blobs and its header come to. */
  size?: number;
}

/** What an index file says, its packs still as they were read: what is written again loses no field. */
export interface IndexFile extends JsonObject {
  packs: unknown[];
  packs_to_delete: unknown[];
}

/**
 * Reads an index file, part by part: it may name a hundred thousand blobs.
 *
 * @returns the document without its packs
 */
export function readIndexFile(
  objects: RepositoryObjects,
  id: string,
  take: (part: JsonPart) => void,
): Promise<JsonObject> {
  return objects.longDocument(`index/${id}`, new JsonLists(['packs', 'packs_to_delete'], 'blobs'), take);
}

/**
 * Reads all of an index file. The event loop has its turn meanwhile; all that the file says is held.
 *
 * @throws RepositoryCorrupt, ObjectStorageError
 */
export async function readWholeIndexFile(objects: RepositoryObjects, id: string): Promise<IndexFile> {
  const file: IndexFile = { packs: [], packs_to_delete: [] };
  // Of the next pack, where they come before it.
  let ahead: unknown[] = [];
  const take = (list: string, elements: unknown[]): void => {
    for (const element of elements) {
      const pack = asObject(element, 'pack');
      (list === 'packs' ? file.packs : file.packs_to_delete).push({
        ...pack,
        blobs: ahead.concat(asList(pack['blobs'], 'blobs')),
      });
      ahead = [];
    }
  };
  const rest = await readIndexFile(objects, id, (part) => {
    if ('within' in part) ahead = ahead.concat(part.elements);
    else take(part.list, part.elements);
  });
  objects.read(`index/${id}`, () => {
    for (const list of ['packs', 'packs_to_delete']) take(list, asList(rest[list], list));
  });
  return { ...rest, ...file };
}

/** The id of a pack, as an index file has it. */
export function packIdOf(pack: unknown): string {
  return asId(asObject(pack, 'pack')['id'], 'pack id');
}

export function parseIndexedPack(value: unknown): IndexedPack {
  const { blobs, size } = asObject(value, 'pack');
  return {
    id: packIdOf(value),
    blobs: asList(blobs, 'blobs').map(parseBlob),
    size: optional(asCount, size, 'size', U32),
  };
}

/** Stores an index file, and gives its id. */
export async function writeIndexFile(
  objects: RepositoryObjects,
  store: WritableStore,
  file: Partial<IndexFile>,
): Promise<string> {
  const compressed = await promisify(zstdCompress)(Buffer.from(JSON.stringify({ packs: [], ...file })));
  const sealed = objects.key.seal(Buffer.concat([Buffer.of(2), compressed]));
  const id = createHash('sha256').update(sealed).digest('hex');
  await store.put(`${objects.prefix}index/${id}`, sealed);
  return id;
}

const U32 = 2 ** 32 - 1;

function parseBlob(value: unknown): IndexBlob {
  const { id, type, offset, length, uncompressed_length } = asObject(value, 'blob');
  const kind = asText(type, 'type');
  if (kind !== 'data' && kind !== 'tree') throw new Malformed('a blob in it is neither data nor a tree');
  const plain = optional(asCount, uncompressed_length, 'uncompressed_length', U32);
  return {
    id: asId(id, 'blob id'),
    type: kind,
    offset: asCount(offset, 'offset', U32),
    length: asCount(length, 'length', U32),
    ...(plain === undefined ? {} : { uncompressed_length: plain }),
  };
}
