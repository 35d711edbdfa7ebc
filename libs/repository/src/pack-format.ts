import { createHash } from 'node:crypto';

import type { IndexBlob, IndexedPack } from './index-file.js';
import { SEAL_BYTES } from './repository-key.js';
import type { RepositoryKey } from './repository-key.js';

/*
 * A pack is its blobs, each sealed, then a sealed header that tells of them, then the length of that header as a 32-bit
 * number: see restic's design document, "Pack Format".
 */

export const LENGTH_BYTES = 4;
const ENTRY_BYTES = 37;
const COMPRESSED_ENTRY_BYTES = 41;

/** The plain header of a pack with these blobs, which lie in it in this order. */
export function packHeader(blobs: readonly IndexBlob[]): Buffer {
  return Buffer.concat(
    blobs.map(({ id, type, length, uncompressed_length }) => {
      const entry = Buffer.alloc(uncompressed_length === undefined ? ENTRY_BYTES : COMPRESSED_ENTRY_BYTES);
      entry[0] = (type === 'data' ? 0 : 1) + (uncompressed_length === undefined ? 0 : 2);
      entry.writeUInt32LE(length, 1);
      if (uncompressed_length !== undefined) entry.writeUInt32LE(uncompressed_length, 5);
      entry.write(id, entry.length - 32, 'hex');
      return entry;
    }),
  );
}

/** A pack of these sealed blobs, which lie in it in this order. */
export function sealedPack(
  key: RepositoryKey,
  parts: readonly Buffer[],
  blobs: readonly IndexBlob[],
): { id: string; bytes: Buffer } {
  const header = key.seal(packHeader(blobs));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(header.length);
  const bytes = Buffer.concat([...parts, header, length]);
  return { id: createHash('sha256').update(bytes).digest('hex'), bytes };
}

/** The blobs that a plain header tells of; undefined when it is none. */
export function blobsIn(header: Buffer): IndexBlob[] | undefined {
  const blobs: IndexBlob[] = [];
  let offset = 0;
  for (let at = 0; at < header.length;) {
    const kind = header[at]!;
    const isCompressed = kind === 2 || kind === 3;
    const entry = isCompressed ? COMPRESSED_ENTRY_BYTES : ENTRY_BYTES;
    if (kind > 3 || at + entry > header.length) return undefined;
    const length = header.readUInt32LE(at + 1);
    blobs.push({
      id: header.toString('hex', at + entry - 32, at + entry),
      type: kind % 2 === 0 ? 'data' : 'tree',
      offset,
      length,
      ...(isCompressed ? { uncompressed_length: header.readUInt32LE(at + 5) } : {}),
    });
    offset += length;
    at += entry;
  }
  return blobs;
}

/** Bytes that a pack has in the store, by what the index says of it. */
export function packSize({ blobs, size }: IndexedPack): number {
  if (size !== undefined) return size;
  return blobs.reduce(
    (sum, { length, uncompressed_length }) =>
      sum + length + (uncompressed_length === undefined ? ENTRY_BYTES : COMPRESSED_ENTRY_BYTES),
    SEAL_BYTES + LENGTH_BYTES,
  );
}
