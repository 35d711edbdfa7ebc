import { ObjectRangeInvalid, ObjectTooLarge } from '@buckets/object-storage';
import { createHash } from 'node:crypto';
import { zstdDecompressSync } from 'node:zlib';

import type { BlobLocation } from './blob-index.js';
import { isId, Malformed, parseJson } from './json-fields.js';
import { RepositoryCorrupt } from './repository-error.js';
import { SEAL_BYTES } from './repository-key.js';
import type { RepositoryKey } from './repository-key.js';
import type { RepositoryStore } from './repository-store.js';

const MIB = 1024 * 1024;

/** Past these sizes an object is refused instead of filling the memory. */
export const LIMITS = {
  /** An index may hold all blobs of a repository; a snapshot has little to say, and many are read at once. */
  stored: { index: 64 * MIB, snapshots: MIB, config: MIB },
  document: { index: 256 * MIB, snapshots: 4 * MIB, config: 4 * MIB },
  /** rustic and restic cut files into blobs of at most 8 MiB; a tree is as large as its folder. */
  blob: 256 * MIB,
};

type DocumentName = 'config' | `${'snapshots' | 'index'}/${string}`;

function kindOf(name: DocumentName): keyof typeof LIMITS.document {
  if (name === 'config') return name;
  return name.startsWith('index/') ? 'index' : 'snapshots';
}

/** The objects of one repository, decrypted and proven: what comes out is what was written under that name, or an error. */
export class RepositoryObjects {
  constructor(
    readonly store: RepositoryStore,
    /** Empty, or ends in `/`. */
    readonly prefix: string,
    readonly key: RepositoryKey,
  ) {}

  /** The ids of the objects in `snapshots` or `index`; other names are passed over, as rustic does. */
  async ids(kind: 'snapshots' | 'index'): Promise<string[]> {
    const ids: string[] = [];
    for await (const id of this.eachId(kind)) ids.push(id);
    return ids;
  }

  /** The same, page by page. */
  async *eachId(kind: 'snapshots' | 'index'): AsyncGenerator<string, void, undefined> {
    for await (const { key } of this.store.list(`${this.prefix}${kind}/`)) {
      const id = key.slice(key.lastIndexOf('/') + 1);
      if (isId(id)) yield id;
    }
  }

  /**
   * The document of an object that is named by the SHA-256 of its stored bytes.
   *
   * @throws RepositoryCorrupt; ObjectNotFound when there is none; other ObjectStorageErrors
   */
  async document<T>(name: `${'snapshots' | 'index'}/${string}`, parse: (document: unknown) => T): Promise<T> {
    const stored = await this.stored(name);
    const kind = kindOf(name);
    if (sha256(stored) !== name.slice(name.indexOf('/') + 1)) {
      throw new RepositoryCorrupt(name, 'its bytes are not those that its name stands for');
    }
    const plain = this.key.open(stored);
    if (!plain) throw new RepositoryCorrupt(name, 'it was sealed with another key than the config');
    return this.read(name, () => parse(parseJson(unpacked(plain, LIMITS.document[kind]))));
  }

  async stored(name: DocumentName): Promise<Buffer> {
    try {
      return await this.store.get(this.prefix + name, { maxBytes: LIMITS.stored[kindOf(name)] });
    } catch (error) {
      if (error instanceof ObjectTooLarge) throw new RepositoryCorrupt(name, 'it is far too large');
      throw error;
    }
  }

  /** Bytes of a pack. Fewer than asked for when the pack ends before. */
  async packBytes(pack: string, offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    const name = packName(pack);
    try {
      return await this.store.get(this.prefix + name, { range: { offset, length }, maxBytes: length, signal });
    } catch (error) {
      if (error instanceof ObjectRangeInvalid) throw new RepositoryCorrupt(name, 'it is cut short');
      throw error;
    }
  }

  /** The plain bytes of a blob, given its bytes in the pack. */
  blob(id: string, location: BlobLocation, sealed: Uint8Array): Buffer {
    const name = `blob ${id} in ${packName(location.pack)}`;
    if (sealed.length !== location.length) throw new RepositoryCorrupt(name, 'the pack is cut short');
    const opened = this.key.open(sealed);
    if (!opened) throw new RepositoryCorrupt(name, 'its authentication tag does not fit');
    const { uncompressedLength } = location;
    const plain =
      uncompressedLength === undefined
        ? opened
        : this.read(name, () => decompressed(opened, Math.min(uncompressedLength, LIMITS.blob)));
    if (sha256(plain) !== id) throw new RepositoryCorrupt(name, 'its bytes are not those that its id stands for');
    return plain;
  }

  /** Runs a parser, and says which object it was when that finds something wrong. */
  read<T>(name: string, parse: () => T): T {
    try {
      return parse();
    } catch (error) {
      throw error instanceof Malformed ? new RepositoryCorrupt(name, error.message) : error;
    }
  }
}

export function packName(pack: string): string {
  return `data/${pack.slice(0, 2)}/${pack}`;
}

/** @throws RepositoryCorrupt when a location cannot be one of a blob */
export function checkLocation(id: string, { pack, length, uncompressedLength = 0 }: BlobLocation): void {
  if (length < SEAL_BYTES || Math.max(length, uncompressedLength) > LIMITS.blob) {
    throw new RepositoryCorrupt(`blob ${id} in ${packName(pack)}`, `the index gives it ${length} bytes`);
  }
}

/** Bytes of the plain blob. */
export function plainLength({ length, uncompressedLength }: BlobLocation): number {
  return uncompressedLength ?? length - SEAL_BYTES;
}

/** A document is JSON, or a 2 and zstd-compressed JSON. */
export function unpacked(plain: Buffer, maxBytes: number): Buffer {
  if (plain[0] === 0x7b || plain[0] === 0x5b) return plain;
  if (plain[0] !== 2) throw new Malformed('it has an unknown encoding');
  return decompressed(plain.subarray(1), maxBytes);
}

function decompressed(bytes: Buffer, maxOutputLength: number): Buffer {
  try {
    return zstdDecompressSync(bytes, { maxOutputLength });
  } catch (error) {
    throw new Malformed(`it cannot be decompressed (${(error as NodeJS.ErrnoException).code ?? 'zstd'})`);
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
