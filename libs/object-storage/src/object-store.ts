import type { Readable } from 'node:stream';

/** What the product asks of object storage: keyed bytes in one bucket. Every method rejects with an `ObjectStorageError`. */
export interface ObjectStore {
  /**
   * Reads an object, or a range of it, into memory. A range that reaches past the end gives what is there.
   * Rejects with `object-too-large` before more than `maxBytes` (default 128 MiB) are read.
   */
  get(key: string, options?: GetOptions): Promise<Buffer>;

  /** Starts reading an object and hands over its bytes as they arrive; destroy the body to stop early. */
  getStream(key: string, options?: GetStreamOptions): Promise<ObjectStream>;

  /**
   * Stores a small object (a few MiB: it is one request). With `ifNoneMatch` it answers `exists`, and changes nothing,
   * when the key is taken: of any number of racing callers exactly one is told `stored`.
   */
  put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<PutOutcome>;

  /** Size and age of an object; undefined when there is none. */
  head(key: string, options?: CallOptions): Promise<ObjectInfo | undefined>;

  /** Lists the objects under a prefix in key order, page by page. Folder markers (keys that end in `/`) are left out. */
  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo>;

  /**
   * The names right below a prefix, which must end in `/`, that have objects below them in turn (`a` and `b` below `p/` for
   * `p/a/1`, `p/a/2` and `p/b/1`), page by page, in the store's order.
   */
  folders(prefix: string, options?: FoldersOptions): AsyncIterable<string>;

  /** Deletes an object. One that is not there counts as deleted. */
  delete(key: string, options?: CallOptions): Promise<void>;

  /**
   * Deletes everything under a prefix, which must end in `/` so that `projects/a` never takes `projects/ab` along.
   * Stops after `limit` objects (default 100,000): call again while `complete` is false.
   */
  deletePrefix(prefix: string, options?: DeletePrefixOptions): Promise<DeletePrefixOutcome>;

  /** Resolves when the storage answers and the bucket can be used; rejects within a few seconds otherwise. */
  check(options?: CallOptions): Promise<void>;
}

export interface CallOptions {
  signal?: AbortSignal;
}

export interface ByteRange {
  /** First byte, counted from 0. */
  offset: number;
  /** Number of bytes, at least 1. */
  length: number;
}

export interface GetStreamOptions extends CallOptions {
  range?: ByteRange;
}

export interface GetOptions extends GetStreamOptions {
  maxBytes?: number;
}

export interface ObjectStream {
  body: Readable;
  /** Number of bytes the body will give, when the storage says so. */
  size: number | undefined;
}

export interface PutOptions extends CallOptions {
  ifNoneMatch?: boolean;
}

export type PutOutcome = 'stored' | 'exists';

export interface ListOptions extends CallOptions {
  /** Only keys that sort after this one. */
  after?: string;
  /** At most this many objects. */
  limit?: number;
}

export interface FoldersOptions extends CallOptions {
  /** At most this many. */
  limit?: number;
}

export interface ObjectInfo {
  key: string;
  /** Bytes. */
  size: number;
  lastModified: Date | undefined;
}

export interface DeletePrefixOptions extends CallOptions {
  limit?: number;
}

export interface DeletePrefixOutcome {
  deleted: number;
  complete: boolean;
}
