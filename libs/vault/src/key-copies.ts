import { VaultError } from './errors.js';
import type { PlatformKeys } from './platform-keys.js';
import { unwrapEntry } from './project-keys.js';
import type { Entry } from './project-keys.js';

/** What the vault asks of a bucket; `ObjectStore` of the object storage is one. */
export interface CopyStore {
  /** Rejects with an error whose `code` is `object-not-found` when there is none, or `object-too-large`. */
  get(key: string, options: { maxBytes: number }): Promise<Uint8Array>;
  /** With `ifNoneMatch` it changes nothing when the key is taken. */
  put(key: string, bytes: Uint8Array, options?: { ifNoneMatch?: boolean }): Promise<unknown>;
  list(prefix: string): AsyncIterable<{ key: string }>;
}

/** What stands in the bucket: an entry, or something that does not open. */
export type Copy =
  { readonly wrapped: string; readonly entry: Entry } | { readonly wrapped: string; readonly problem: unknown };

/** Where a bucket has the copies of projects' keys. */
export const KEY_COPIES = 'keys/';

/** The object of a bucket that is the copy of a project's keys. */
export function keyCopyOf(projectId: string): string {
  return KEY_COPIES + projectId;
}

/** An entry is below 1 KiB; more than this is something else. */
const MAX_BYTES = 64 * 1024;

/** The second copies of projects' keys, in a bucket at `keys/<projectId>`, outside of all repositories. */
export class KeyCopies {
  constructor(
    private readonly store: CopyStore,
    private readonly platformKeys: PlatformKeys,
  ) {}

  async read(projectId: string): Promise<Copy | undefined> {
    try {
      const bytes = await this.store.get(keyCopyOf(projectId), { maxBytes: MAX_BYTES });
      return this.open(projectId, Buffer.from(bytes).toString('utf8'));
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code === 'object-not-found') return undefined;
      if (code === 'object-too-large') return { wrapped: '', problem: error };
      throw error;
    }
  }

  /** Writes unless there is something already: the caller reads back either way. */
  async add(projectId: string, wrapped: string): Promise<void> {
    await this.store.put(keyCopyOf(projectId), Buffer.from(wrapped), { ifNoneMatch: true });
  }

  /** Writes over whatever is there. Only tombstones are written like this. */
  async overwrite(projectId: string, tombstone: string): Promise<void> {
    await this.store.put(keyCopyOf(projectId), Buffer.from(tombstone));
  }

  /** What there are copies of, by the names in the bucket: not all of them need to be ids. */
  async *names(): AsyncGenerator<string, void, void> {
    for await (const { key } of this.store.list(KEY_COPIES)) yield key.slice(KEY_COPIES.length);
  }

  private open(projectId: string, wrapped: string): Copy {
    try {
      return { wrapped, entry: unwrapEntry(this.platformKeys, projectId, wrapped) };
    } catch (problem) {
      if (problem instanceof VaultError) return { wrapped, problem };
      throw problem;
    }
  }
}
