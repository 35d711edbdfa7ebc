import type { ObjectStore } from '@buckets/object-storage';

/** What reading a repository asks of the place that holds it. */
export type RepositoryStore = Pick<ObjectStore, 'get' | 'list'>;

/** What adding to a repository asks of it. */
export type WritableStore = Pick<ObjectStore, 'get' | 'list' | 'put'>;

/** What taking out of a repository asks of it besides. */
export type MendableStore = WritableStore & Pick<ObjectStore, 'delete'>;
