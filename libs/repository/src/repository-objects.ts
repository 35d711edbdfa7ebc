import { ObjectRangeInvalid, ObjectTooLarge } from '@buckets/object-storage';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createZstdDecompress, zstdDecompressSync } from 'node:zlib';

import type { BlobLocation } from './blob-index.js';
import { isId, Malformed, parseJson } from './json-fields.js';
import type { JsonObject } from './json-fields.js';
import type { JsonLists, JsonPart } from './json-lists.js';
import { RepositoryCorrupt } from './repository-error.js';
import { piecesOf, SEAL_BYTES } from './repository-key.js';
import type { RepositoryKey } from './repository-key.js';
import type { RepositoryStore } from './repository-store.js';
import { PIECE_BYTES, Turns } from './turns.js';

const MIB = 1024 * 1024;

/** Up to this size, a blob is taken apart in one go: a few milliseconds. */
const SMALL_BYTES = 2 * PIECE_BYTES;
/** What is read of a pack with one request. */
const PART_BYTES = 4 * MIB;
/** Bytes that are hashed in one go. */
const HASHED_BYTES = 8 * PIECE_BYTES;

/** Past these sizes an object is refused instead of filling the memory. */
export const LIMITS = {
  /** An index may hold all blobs of a repository; a snapshot has little to say, and many are read at once. */
  stored: { index: 64 * MIB, snapshots: MIB, config: MIB },
  document: { index: 256 * MIB, snapshots: 4 * MIB, config: 4 * MIB },
  /**
   * As stored, and a blob of data as it is in its file: rustic and restic cut files into blobs of at most 8 MiB. The tree of a
   * folder is held as it is stored, and read in pieces: unpacked it may have the 4 GiB that an index can tell.
   */
  blob: 256 * MIB,
};

type DocumentName = 'config' | `${'snapshots' | 'index'}/${string}`;

function kindOf(name: DocumentName): keyof typeof LIMITS.document {
  if (name === 'config') return name;
  return name.startsWith('index/') ? 'index' : 'snapshots';
}

/** The objects of one repository, decrypted and proven: what comes out is what was written under that name, or an error. */
export class RepositoryObjects {
  /** Of all that read this repository. */
  readonly turns = new Turns();

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
      const id = nameIn(key);
      if (isId(id)) yield id;
    }
  }

  /**
   * The document of an object that is named by the SHA-256 of its stored bytes.
   *
   * @throws RepositoryCorrupt; ObjectNotFound when there is none; other ObjectStorageErrors
   */
  async document<T>(name: `snapshots/${string}`, parse: (document: unknown) => T): Promise<T> {
    const stored = await this.stored(name);
    if (sha256(stored) !== name.slice(name.indexOf('/') + 1)) throw otherBytes(name);
    const plain = this.key.open(stored);
    if (!plain) throw otherKey(name);
    return this.read(name, () => parse(parseJson(unpacked(plain, LIMITS.document.snapshots))));
  }

  /**
   * The same for a document with long lists, part by part as they come in.
   *
   * @returns the document without those lists
   */
  async longDocument(name: `index/${string}`, lists: JsonLists, take: (part: JsonPart) => void): Promise<JsonObject> {
    const stored = await this.stored(name);
    if ((await hashOf(stored)) !== name.slice(name.indexOf('/') + 1)) throw otherBytes(name);
    const open = await this.key.openInPieces(stored);
    if (!open) throw otherKey(name);
    return this.reading(name, async () => {
      for await (const piece of unpackedPieces(open())) {
        for (const part of lists.push(piece)) take(part);
        await this.turns.after(piece.length);
      }
      return lists.end();
    });
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
    if (length <= PART_BYTES) return this.#partOf(pack, offset, length, signal);
    const bytes = Buffer.allocUnsafeSlow(length);
    for (let at = 0; at < length; at += PART_BYTES) {
      const wanted = Math.min(PART_BYTES, length - at);
      const part = await this.#partOf(pack, offset + at, wanted, signal);
      part.copy(bytes, at);
      if (part.length < wanted) return bytes.subarray(0, at + part.length);
    }
    return bytes;
  }

  async #partOf(pack: string, offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    const name = packName(pack);
    try {
      return await this.store.get(this.prefix + name, { range: { offset, length }, maxBytes: length, signal });
    } catch (error) {
      if (error instanceof ObjectRangeInvalid) throw new RepositoryCorrupt(name, 'it is cut short');
      throw error;
    }
  }

  /** The plain bytes of a blob, given its bytes in the pack. */
  async blob(id: string, location: BlobLocation, sealed: Uint8Array): Promise<Buffer> {
    if (isSmall(location)) {
      await this.turns.after(plainLength(location) / 4);
      return this.#blobAtOnce(id, location, sealed);
    }
    const pieces: Buffer[] = [];
    for await (const piece of this.#piecesOf(id, location, await this.#opened(id, location, sealed))) {
      pieces.push(piece);
    }
    return Buffer.concat(pieces);
  }

  /**
   * The same for a blob of any size, in pieces. All of it is proven before the first piece is given out, which means that it is
   * unpacked twice: so no more of it is held than is stored.
   */
  async *blobInPieces(id: string, location: BlobLocation, sealed: Uint8Array): AsyncGenerator<Buffer> {
    const open = await this.#opened(id, location, sealed);
    for await (const _ of this.#piecesOf(id, location, open));
    yield* this.#piecesOf(id, location, open);
  }

  /**
   * Proves that these are the bytes of a blob, of any size, and holds none of them.
   *
   * @throws RepositoryCorrupt when they are not
   */
  async proveBlob(id: string, location: BlobLocation, sealed: Uint8Array): Promise<void> {
    if (isSmall(location)) await this.blob(id, location, sealed);
    else for await (const _ of this.#piecesOf(id, location, await this.#opened(id, location, sealed)));
  }

  #blobAtOnce(id: string, location: BlobLocation, sealed: Uint8Array): Buffer {
    const name = nameOf(id, location);
    mustBeWhole(name, location, sealed);
    const opened = this.key.open(sealed);
    if (!opened) throw otherTag(name);
    const { uncompressedLength } = location;
    const plain =
      uncompressedLength === undefined ? opened : this.read(name, () => decompressed(opened, uncompressedLength));
    if (sha256(plain) !== id) throw otherContent(name);
    return plain;
  }

  async #opened(id: string, location: BlobLocation, sealed: Uint8Array): Promise<() => Iterable<Buffer>> {
    const name = nameOf(id, location);
    mustBeWhole(name, location, sealed);
    const open = await this.key.openInPieces(sealed);
    if (!open) throw otherTag(name);
    return open;
  }

  /** Ends with an error if these were not its bytes. */
  async *#piecesOf(id: string, location: BlobLocation, open: () => Iterable<Buffer>): AsyncGenerator<Buffer> {
    const name = nameOf(id, location);
    const { uncompressedLength } = location;
    const pieces = uncompressedLength === undefined ? open() : decompressedPieces(open(), uncompressedLength);
    const hash = createHash('sha256');
    try {
      for await (const piece of pieces) {
        hash.update(piece);
        yield piece;
        await this.turns.after(piece.length / 4);
      }
    } catch (error) {
      throw error instanceof Malformed ? new RepositoryCorrupt(name, error.message) : error;
    }
    if (hash.digest('hex') !== id) throw otherContent(name);
  }

  /** As `read`. */
  async reading<T>(name: string, parse: () => Promise<T>): Promise<T> {
    try {
      return await parse();
    } catch (error) {
      throw error instanceof Malformed ? new RepositoryCorrupt(name, error.message) : error;
    }
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

function nameOf(id: string, { pack }: BlobLocation): string {
  return `blob ${id} in ${packName(pack)}`;
}

function mustBeWhole(name: string, location: BlobLocation, sealed: Uint8Array): void {
  if (sealed.length !== location.length) throw new RepositoryCorrupt(name, 'the pack is cut short');
}

function otherBytes(name: string): RepositoryCorrupt {
  return new RepositoryCorrupt(name, 'its bytes are not those that its name stands for');
}

function otherKey(name: string): RepositoryCorrupt {
  return new RepositoryCorrupt(name, 'it was sealed with another key than the config');
}

function otherTag(name: string): RepositoryCorrupt {
  return new RepositoryCorrupt(name, 'its authentication tag does not fit');
}

function otherContent(name: string): RepositoryCorrupt {
  return new RepositoryCorrupt(name, 'its bytes are not those that its id stands for');
}

/** Whether a blob is taken apart in one go. */
export function isSmall(location: BlobLocation): boolean {
  return Math.max(location.length, plainLength(location)) <= SMALL_BYTES;
}

/** The last part of a key. */
export function nameIn(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

export function packName(pack: string): string {
  return `data/${pack.slice(0, 2)}/${pack}`;
}

/** @throws RepositoryCorrupt when a location cannot be one of a blob of data, or of any blob */
export function checkLocation(id: string, location: BlobLocation, kind: 'data' | 'tree' = 'data'): void {
  const held = kind === 'tree' ? location.length : Math.max(location.length, plainLength(location));
  if (location.length < SEAL_BYTES || held > LIMITS.blob) {
    throw new RepositoryCorrupt(nameOf(id, location), `the index gives it ${held} bytes`);
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

/** The same in pieces. */
async function* unpackedPieces(plain: Iterator<Buffer>): AsyncGenerator<Buffer> {
  const first = plain.next();
  const bytes = first.done === true ? Buffer.alloc(0) : first.value;
  const isPlain = bytes[0] === 0x7b || bytes[0] === 0x5b;
  if (!isPlain && bytes[0] !== 2) throw new Malformed('it has an unknown encoding');
  const all = function* () {
    yield isPlain ? bytes : bytes.subarray(1);
    for (let next = plain.next(); next.done !== true; next = plain.next()) yield next.value;
  };
  yield* isPlain ? all() : decompressedPieces(all(), LIMITS.document.index);
}

async function* decompressedPieces(compressed: Iterable<Buffer>, maxLength: number): AsyncGenerator<Buffer> {
  const pieces = Readable.from(compressed).pipe(createZstdDecompress({ chunkSize: PIECE_BYTES }));
  let length = 0;
  try {
    for await (const piece of pieces as AsyncIterable<Buffer>) {
      length += piece.length;
      if (length > maxLength) throw new Malformed(`it has more than ${maxLength} bytes`);
      yield piece;
    }
  } catch (error) {
    if (error instanceof Malformed) throw error;
    throw notZstd(error);
  }
}

function notZstd(error: unknown): Malformed {
  return new Malformed(`it cannot be decompressed (${(error as NodeJS.ErrnoException).code ?? 'zstd'})`);
}

function decompressed(bytes: Buffer, maxOutputLength: number): Buffer {
  try {
    return zstdDecompressSync(bytes, { maxOutputLength });
  } catch (error) {
    throw notZstd(error);
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The same of what is large: the event loop has its turns. */
export async function hashOf(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  for (const piece of piecesOf(bytes, HASHED_BYTES)) {
    hash.update(piece);
    await nextTurn();
  }
  return hash.digest('hex');
}
