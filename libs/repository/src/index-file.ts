import { createHash } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';

import { asCount, asId, asList, asObject, asText, Malformed, optional } from './json-fields.js';
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
export interface IndexFile {
  packs: unknown[];
  packs_to_delete: unknown[];
}

/** @throws Malformed when it is none */
export function parseIndexFile(document: unknown): IndexFile {
  const { packs, packs_to_delete } = asObject(document, 'index');
  return { packs: asList(packs, 'packs'), packs_to_delete: asList(packs_to_delete, 'packs_to_delete') };
}

export function parseIndexedPack(value: unknown): IndexedPack {
  const { id, blobs, size } = asObject(value, 'pack');
  return {
    id: asId(id, 'pack id'),
    blobs: asList(blobs, 'blobs').map(parseBlob),
    size: optional(asCount, size, 'size', U32),
  };
}

/** Stores an index file. */
export async function writeIndexFile(
  objects: RepositoryObjects,
  store: WritableStore,
  file: Partial<IndexFile>,
): Promise<void> {
  const compressed = zstdCompressSync(Buffer.from(JSON.stringify({ packs: [], ...file })));
  const sealed = objects.key.seal(Buffer.concat([Buffer.of(2), compressed]));
  await store.put(`${objects.prefix}index/${createHash('sha256').update(sealed).digest('hex')}`, sealed);
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
