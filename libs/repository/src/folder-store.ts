import { ObjectNotFound, ObjectRangeInvalid, ObjectTooLarge } from '@buckets/object-storage';
import type { GetOptions, ListOptions, ObjectInfo } from '@buckets/object-storage';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import type { RepositoryStore } from './repository-store.js';

/** A repository in a local folder, as rustic and restic lay it out. Read only. */
export class FolderStore implements RepositoryStore {
  constructor(readonly folder: string) {}

  async get(key: string, { range, maxBytes = Number.POSITIVE_INFINITY, signal }: GetOptions = {}): Promise<Buffer> {
    signal?.throwIfAborted();
    await using file = await open(join(this.folder, key)).catch((error: unknown) => {
      throw isMissing(error) ? new ObjectNotFound(key) : error;
    });
    const { size } = await file.stat();
    const offset = range?.offset ?? 0;
    if (range && offset >= size) throw new ObjectRangeInvalid(key, 'it starts past the end');
    const length = Math.min(range?.length ?? size, size - offset);
    if (length > maxBytes) throw new ObjectTooLarge(key, maxBytes);
    const bytes = Buffer.allocUnsafe(length);
    let read = 0;
    while (read < length) {
      const { bytesRead } = await file.read(bytes, read, length - read, offset + read);
      if (bytesRead === 0) throw new ObjectRangeInvalid(key, 'it became shorter while it was read');
      read += bytesRead;
    }
    return bytes;
  }

  /** Lists one folder: a prefix has to end in `/`. */
  async *list(
    prefix: string,
    { after = '', limit = Number.POSITIVE_INFINITY }: ListOptions = {},
  ): AsyncGenerator<ObjectInfo> {
    const entries = await readdir(join(this.folder, prefix), { withFileTypes: true }).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw error;
    });
    const keys = entries.filter((entry) => entry.isFile()).map(({ name }) => prefix + name);
    for (const key of keys
      .filter((key) => key > after)
      .sort()
      .slice(0, limit)) {
      const { size, mtime } = await stat(join(this.folder, key));
      yield { key, size, lastModified: mtime };
    }
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
