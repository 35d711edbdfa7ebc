import type { GetOptions, ObjectInfo, PutOutcome } from '@buckets/object-storage';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import type { MendableStore } from '../repository-store.js';
import { MemoryStore } from './memory-store.js';

/** A local folder as a store that can be written; each request finds what is in it by then. */
export class WritableFolder implements MendableStore {
  constructor(readonly folder: string) {}

  async get(key: string, options?: GetOptions): Promise<Buffer> {
    return (await this.now()).get(key, options);
  }

  async *list(prefix: string): AsyncGenerator<ObjectInfo> {
    yield* (await this.now()).list(prefix);
  }

  async put(key: string, bytes: Uint8Array): Promise<PutOutcome> {
    await mkdir(dirname(join(this.folder, key)), { recursive: true });
    await writeFile(join(this.folder, key), bytes);
    return 'stored';
  }

  async delete(key: string): Promise<void> {
    await rm(join(this.folder, key), { force: true });
  }

  private now(): Promise<MemoryStore> {
    return MemoryStore.from(this.folder);
  }
}
