import { ObjectNotFound, ObjectRangeInvalid, ObjectTooLarge } from '@buckets/object-storage';
import type { GetOptions, ObjectInfo } from '@buckets/object-storage';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

import type { RepositoryStore } from '../repository-store.js';

/** Objects in memory that a test can alter, and a count of the requests. */
export class MemoryStore implements RepositoryStore {
  requests = 0;

  constructor(readonly objects: Map<string, Buffer>) {}

  static async from(folder: string): Promise<MemoryStore> {
    const objects = new Map<string, Buffer>();
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile()) objects.set(path.slice(folder.length + 1), await readFile(path));
    }
    return new MemoryStore(objects);
  }

  /** The same objects with one of them replaced, or removed. */
  with(key: string, bytes: Buffer | undefined): MemoryStore {
    const objects = new Map(this.objects);
    if (bytes) objects.set(key, bytes);
    else objects.delete(key);
    return new MemoryStore(objects);
  }

  async get(key: string, { range, maxBytes = Number.POSITIVE_INFINITY, signal }: GetOptions = {}): Promise<Buffer> {
    this.requests += 1;
    signal?.throwIfAborted();
    const bytes = this.objects.get(key);
    if (!bytes) throw new ObjectNotFound(key);
    if (range && range.offset >= bytes.length) throw new ObjectRangeInvalid(key, 'it starts past the end');
    const part = range ? bytes.subarray(range.offset, range.offset + range.length) : bytes;
    if (part.length > maxBytes) throw new ObjectTooLarge(key, maxBytes);
    return part;
  }

  async *list(prefix: string): AsyncGenerator<ObjectInfo> {
    this.requests += 1;
    for (const [key, { length }] of [...this.objects].sort()) {
      if (key.startsWith(prefix)) yield { key, size: length, lastModified: undefined };
    }
  }
}
