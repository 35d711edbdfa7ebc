import { ObjectNotFound } from '@buckets/object-storage';

import type { BlobLocation } from './blob-index.js';
import { BoundedCache } from './bounded-cache.js';
import { isId } from './json-fields.js';
import { RepositoryCorrupt } from './repository-error.js';
import { checkLocation, isSmall, packName } from './repository-objects.js';
import type { RepositoryObjects } from './repository-objects.js';

/**
 * Trees are small and lie together in packs of their own, in the order of the folders: reading them in segments of packs
 * asks the store once for some hundred of them.
 */
const SEGMENT = 256 * 1024;
const MAX_SEGMENTS = 4;
const CACHE_BYTES = 8 * 1024 * 1024;

/** An index, or what is as good. */
export interface BlobLocator {
  find(id: string): Promise<BlobLocation | undefined>;
  /** The same as far as it was read. */
  known(id: string): BlobLocation | undefined;
  /** Learns of what others have changed. */
  refresh(): Promise<void>;
}

/** Finds blobs through the index, reads their bytes from the packs and proves them. */
export class PackReader {
  readonly #segments = new BoundedCache<Buffer>(CACHE_BYTES);

  constructor(
    readonly objects: RepositoryObjects,
    readonly index: BlobLocator,
  ) {}

  async locate(id: string, kind: 'data' | 'tree' = 'data'): Promise<BlobLocation> {
    const location = isId(id) ? await this.index.find(id) : undefined;
    if (!location) throw new RepositoryCorrupt(`blob ${id}`, 'no index file knows it');
    checkLocation(id, location, kind);
    return location;
  }

  /** The same of a blob of data that was read of before; undefined where that takes a look at the repository. */
  known(id: string): BlobLocation | undefined {
    const location = this.index.known(id);
    if (location) checkLocation(id, location);
    return location;
  }

  async dataBlob(id: string, signal?: AbortSignal): Promise<Buffer> {
    const found = await this.#read(id, 'data', (at) => this.objects.packBytes(at.pack, at.offset, at.length, signal));
    return this.objects.blob(id, found.location, found.sealed);
  }

  /** Whether a tree is read as a whole. */
  async isSmallTree(id: string): Promise<boolean> {
    return isSmall(await this.locate(id, 'tree'));
  }

  async smallTree(id: string): Promise<Buffer> {
    const { location, sealed } = await this.#read(id, 'tree', (at) => this.#sealedTree(at));
    return this.objects.blob(id, location, sealed);
  }

  async *largeTree(id: string): AsyncGenerator<Buffer, void, undefined> {
    const { location, sealed } = await this.#read(id, 'tree', (at) => this.#sealedTree(at));
    yield* this.objects.blobInPieces(id, location, sealed);
  }

  async #sealedTree({ pack, offset, length }: BlobLocation): Promise<Buffer> {
    const first = Math.floor(offset / SEGMENT);
    const count = Math.floor((offset + length - 1) / SEGMENT) - first + 1;
    if (count > MAX_SEGMENTS) return this.objects.packBytes(pack, offset, length);
    const segments = await Promise.all(Array.from({ length: count }, (_, index) => this.#segment(pack, first + index)));
    const start = offset - first * SEGMENT;
    return (count === 1 ? segments[0]! : Buffer.concat(segments)).subarray(start, start + length);
  }

  /** A prune may have moved the blob since the index was read: then it is looked for once more. */
  async #read(
    id: string,
    kind: 'data' | 'tree',
    bytesAt: (location: BlobLocation) => Promise<Buffer>,
  ): Promise<{ location: BlobLocation; sealed: Buffer }> {
    let location = await this.locate(id, kind);
    for (let attempt = 1; ; attempt++) {
      try {
        return { location, sealed: await bytesAt(location) };
      } catch (error) {
        if (!(error instanceof ObjectNotFound)) throw error;
        await this.index.refresh();
        const { pack } = location;
        location = await this.locate(id, kind);
        if (location.pack === pack || attempt === 2) throw new RepositoryCorrupt(packName(pack), 'it is missing');
      }
    }
  }

  #segment(pack: string, number: number): Promise<Buffer> {
    return this.#segments.get(`${pack}:${number}`, async () => {
      const value = await this.objects.packBytes(pack, number * SEGMENT, SEGMENT);
      return { value, bytes: value.length };
    });
  }
}
