import type { ObjectStore } from '@buckets/object-storage';

/** What reading a repository asks of the place that holds it. */
export type RepositoryStore = Pick<ObjectStore, 'get' | 'list'>;
