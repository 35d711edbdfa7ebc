import { randomBytes } from 'node:crypto';
import type { CopyStore, KeyRow, KeyRows } from '../index.js';
import type { RepositoryKey } from '../index.js';

/** A database's side that keeps the promises of `KeyRows`. `pause` lets a test choose who goes first. */
export class InMemoryRows implements KeyRows {
  readonly rows = new Map<string, KeyRow>();

  constructor(private readonly pause: () => Promise<void> = async () => {}) {}

  async read(projectId: string): Promise<KeyRow | undefined> {
    await this.pause();
    return this.rows.get(projectId);
  }

  async insert(projectId: string, row: KeyRow): Promise<void> {
    await this.pause();
    if (!this.rows.has(projectId)) this.rows.set(projectId, row);
  }

  async replace(projectId: string, from: string, to: KeyRow): Promise<void> {
    await this.pause();
    if (this.rows.get(projectId)?.wrapped === from) this.rows.set(projectId, to);
  }
}

/** A bucket that keeps the promises of `CopyStore`. */
export class InMemoryBucket implements CopyStore {
  readonly objects = new Map<string, Uint8Array>();

  constructor(private readonly pause: () => Promise<void> = async () => {}) {}

  async get(key: string, { maxBytes }: { maxBytes: number }): Promise<Uint8Array> {
    await this.pause();
    const bytes = this.objects.get(key);
    if (bytes === undefined) throw withCode('object-not-found');
    if (bytes.length > maxBytes) throw withCode('object-too-large');
    return bytes;
  }

  async put(key: string, bytes: Uint8Array, options?: { ifNoneMatch?: boolean }): Promise<'stored' | 'exists'> {
    await this.pause();
    if (options?.ifNoneMatch === true && this.objects.has(key)) return 'exists';
    this.objects.set(key, bytes);
    return 'stored';
  }

  async *list(prefix: string): AsyncGenerator<{ key: string }> {
    await this.pause();
    for (const key of [...this.objects.keys()].sort()) if (key.startsWith(prefix)) yield { key };
  }

  text(key: string): string {
    return Buffer.from(this.objects.get(key) ?? '').toString('utf8');
  }
}

/** A repository key of the right form. */
export function createRepositoryKey(): RepositoryKey {
  const base64 = (bytes: number): string => randomBytes(bytes).toString('base64');
  return { mac: { k: base64(16), r: base64(16) }, encrypt: base64(32) };
}

export function withCode(code: string): Error {
  return Object.assign(new Error(code), { code });
}
