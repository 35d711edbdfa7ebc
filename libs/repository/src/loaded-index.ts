import { ObjectNotFound } from '@buckets/object-storage';

import { BlobIndex } from './blob-index.js';
import type { BlobLocation } from './blob-index.js';
import { inParallel } from './in-parallel.js';
import { readIndexFile } from './index-file.js';
import type { BlobLocator } from './pack-reader.js';
import type { RepositoryObjects } from './repository-objects.js';

export const MAX_BLOBS = 8_000_000;
const AT_ONCE = 4;
const MAX_ROUNDS = 3;

/** The index of a repository, read when it is first needed and again when another process has changed it. */
export class LoadedIndex implements BlobLocator {
  #blobs: BlobIndex | undefined;
  #loaded = new Set<string>();
  #loading: Promise<void> | undefined;

  constructor(readonly objects: RepositoryObjects) {}

  /** Where the blob lies. An id that is not known yet makes it look for new index files first. */
  async find(id: string): Promise<BlobLocation | undefined> {
    // A reading that somebody else began may have listed the files before the one with this blob was there.
    for (let readings = 0; readings < 2; readings++) {
      const location = this.#blobs?.find(id);
      if (location) return location;
      await this.refresh();
    }
    return this.#blobs?.find(id);
  }

  /** Where the blob lies as far as the index was read. */
  known(id: string): BlobLocation | undefined {
    return this.#blobs?.find(id);
  }

  /** Reads what is new in `index/`. Callers at the same time share one reading. */
  async refresh(): Promise<void> {
    this.#loading ??= this.#load().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  async #load(): Promise<void> {
    for (let round = 1; ; round++) {
      const ids = new Set(await this.objects.ids('index'));
      const isGrown = [...this.#loaded].every((id) => ids.has(id));
      if (this.#blobs && isGrown && ids.size === this.#loaded.size) return;
      try {
        return await this.#read(ids, isGrown);
      } catch (error) {
        // A prune replaces index files: one that was listed may be gone.
        if (!(error instanceof ObjectNotFound) || round === MAX_ROUNDS) throw error;
      }
    }
  }

  async #read(ids: Set<string>, isGrown: boolean): Promise<void> {
    const blobs = (isGrown && this.#blobs) || new BlobIndex(MAX_BLOBS);
    const missing = [...ids].filter((id) => !isGrown || !this.#loaded.has(id));
    await inParallel(missing, AT_ONCE, async (id) => {
      // What it supersedes may stand at its end, and has to be known before: then once more.
      while (blobs.add(id, await readIndexFile(this.objects, id, blobs.packsOf(id))));
    });
    this.#blobs = blobs;
    this.#loaded = ids;
  }
}
