import type { BoundedCache } from './bounded-cache.js';
import type { PackReader } from './pack-reader.js';
import { TreeParser } from './tree-entry.js';
import type { TreeEntry } from './tree-entry.js';

/** Trees that were read, bounded in bytes. Its keys carry the repository, so that one never answers for another. */
export type TreeCache = BoundedCache<readonly TreeEntry[]>;

/** Reads the entries of folders. */
export class TreeReader {
  /** @param repository tells the repository from others with the same cache */
  constructor(
    private readonly packs: PackReader,
    private readonly cache: TreeCache,
    private readonly repository: string,
  ) {}

  /** As `Repository.tree`. */
  async *entries(id: string): AsyncGenerator<readonly TreeEntry[], void, undefined> {
    if (await this.packs.isSmallTree(id)) yield await this.#small(id);
    else yield* this.#large(id);
  }

  /** Begins to read a folder that is asked for soon. */
  ahead(id: string): void {
    const reading = async () => (await this.packs.isSmallTree(id)) && this.#small(id);
    // Whoever asks for it gets the failure.
    reading().catch(() => undefined);
  }

  #small(id: string): Promise<readonly TreeEntry[]> {
    const { objects } = this.packs;
    return this.cache.get(`${this.repository}:${id}`, async () => {
      const json = await this.packs.smallTree(id);
      await objects.turns.after(json.length);
      const value = objects.read(`tree ${id}`, () => {
        const parser = new TreeParser();
        const entries = parser.push(json);
        parser.end();
        return entries;
      });
      return { value, bytes: json.length * PARSED_TO_JSON };
    });
  }

  async *#large(id: string): AsyncGenerator<readonly TreeEntry[], void, undefined> {
    const { objects } = this.packs;
    const parser = new TreeParser();
    for await (const piece of this.packs.largeTree(id)) {
      const entries = objects.read(`tree ${id}`, () => parser.push(piece));
      if (entries.length > 0) yield entries;
      await objects.turns.after(piece.length);
    }
    objects.read(`tree ${id}`, () => parser.end());
  }
}

/** Memory of parsed entries for each byte of their JSON. */
const PARSED_TO_JSON = 3;
