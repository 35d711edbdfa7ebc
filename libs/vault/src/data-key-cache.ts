import type { TOMBSTONE } from './project-keys.js';

/** Unwrapped data keys, or that there is none any more: bounded in number and time, least recently used first to go. */
export class DataKeyCache {
  readonly #entries = new Map<string, { readonly dataKey: CachedKey; readonly until: number }>();

  /** `now` gives milliseconds. */
  constructor(
    private readonly limits: { readonly entries: number; readonly maxAgeMs: number },
    private readonly now: () => number,
  ) {}

  get(projectId: string): CachedKey | undefined {
    const entry = this.#entries.get(projectId);
    if (entry === undefined) return undefined;
    this.#entries.delete(projectId);
    if (entry.until <= this.now()) return undefined;
    this.#entries.set(projectId, entry);
    return entry.dataKey;
  }

  set(projectId: string, dataKey: CachedKey): void {
    this.#entries.delete(projectId);
    this.#entries.set(projectId, { dataKey, until: this.now() + this.limits.maxAgeMs });
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.limits.entries && oldest !== undefined) this.#entries.delete(oldest);
  }
}

export type CachedKey = Uint8Array | typeof TOMBSTONE;
