/** Keeps what was loaded, up to a number of bytes: what was used least recently goes first. */
export class BoundedCache<T> {
  readonly #kept = new Map<string, { value: T; bytes: number }>();
  readonly #loading = new Map<string, Promise<T>>();
  #bytes = 0;

  constructor(readonly maxBytes: number) {}

  get bytes(): number {
    return this.#bytes;
  }

  /** What is kept under the key, or what `load` gives. Callers at the same time share one load; a failure is not kept. */
  async get(key: string, load: () => Promise<{ value: T; bytes: number }>): Promise<T> {
    const kept = this.#kept.get(key);
    if (kept) {
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      return kept.value;
    }
    let loading = this.#loading.get(key);
    if (!loading) {
      loading = load()
        .then((loaded) => this.#keep(key, loaded))
        .finally(() => this.#loading.delete(key));
      this.#loading.set(key, loading);
    }
    return loading;
  }

  #keep(key: string, loaded: { value: T; bytes: number }): T {
    this.#kept.set(key, loaded);
    this.#bytes += loaded.bytes;
    for (const [oldest, { bytes }] of this.#kept) {
      if (this.#bytes <= this.maxBytes) break;
      this.#kept.delete(oldest);
      this.#bytes -= bytes;
    }
    return loaded.value;
  }
}
