import type { BucketAccess, RepositoryAccess } from '@buckets/contracts';

/** What the vault holds of one project, unwrapped. Never logged, never stored elsewhere. */
export interface ProjectKeySet {
  masterKey: RepositoryAccess['masterKey'];
  recoveryPassword: string;
  /** 32 bytes. */
  dataKey: Uint8Array;
}

/** Where a text stands, so that it opens nowhere else. */
export interface TextPlace {
  projectId: string;
  field: string;
}

/** The vault as the API uses it. */
export interface ProjectKeys {
  /** Makes the keys if there are none, with their second copy in the bucket, or gives those that are there. */
  ensure(projectId: string, bucketId: string): Promise<ProjectKeySet>;
  /** Whether there were ever keys of the project, here or in the bucket: then it may have had data, on any host. */
  hasTraceOf(projectId: string, bucketId: string): Promise<boolean>;
  /** @throws {Problem} when the project has no keys */
  get(projectId: string): Promise<ProjectKeySet>;
  bucketAccess(bucketId: string): Promise<BucketAccess>;
  storeBucketAccess(bucketId: string, access: BucketAccess): Promise<void>;
  seal(place: TextPlace, text: string): Promise<string>;
  /** `[erased]` when the key is gone, `[unreadable]` when it does not fit; what was never sealed, as it is. */
  open(place: TextPlace, sealed: string): Promise<string>;
}

export const PROJECT_KEYS = Symbol('the keys of projects');
