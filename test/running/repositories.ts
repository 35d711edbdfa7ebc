import { readFile } from 'node:fs/promises';
import { S3ObjectStore } from '@buckets/object-storage';
import { openRepository, type Repository, type Snapshot } from '@buckets/repository';
import { PlatformKeys, PostgresKeyRows, ProjectKeysRow, Vault, type ProjectKeys } from '@buckets/vault';
import { DataSource } from 'typeorm';
import type { Product } from './product.js';

/** The keys of a project, unwrapped with the platform key as an operator would in an emergency. */
export async function keysOf({ stack }: Product, projectId: string): Promise<ProjectKeys> {
  const database = new DataSource({ type: 'postgres', url: stack.access.postgresUrl, entities: [ProjectKeysRow] });
  await database.initialize();
  try {
    const platformKeys = new PlatformKeys(await readFile(stack.infrastructure.platformKeyFile, 'utf8'));
    const createRepositoryKey = () => {
      throw new Error('No key is made here.');
    };
    const vault = new Vault({ rows: new PostgresKeyRows(database), platformKeys, createRepositoryKey });
    return await vault.get(projectId);
  } finally {
    await database.destroy();
  }
}

/** The bucket that a project's backups go to. */
export async function bucketOf({ stack, api }: Product, projectId: string): Promise<string> {
  const { bucketId } = await api.get<{ bucketId: string }>(`/v1/projects/${projectId}`);
  const bucket = stack.infrastructure.s3.buckets.find(({ regionId }) => regionId === bucketId);
  if (bucket === undefined) throw new RangeError(`There is no bucket ${bucketId}.`);
  return bucket.bucket;
}

/** All snapshots in a project's repository, the newest first, read without rustic and without the worker. */
export async function snapshotsOf(product: Product, projectId: string): Promise<Snapshot[]> {
  return inRepository(product, projectId, (repository) => repository.snapshots());
}

export async function inRepository<R>(
  product: Product,
  projectId: string,
  look: (repository: Repository, store: S3ObjectStore) => Promise<R>,
): Promise<R> {
  const { repositoryKey } = await keysOf(product, projectId);
  return inStore(product, projectId, async (store, prefix) =>
    look(await openRepository({ store, prefix, masterKey: JSON.stringify(repositoryKey) }), store),
  );
}

/** The objects of a project's repository, be they as they should be or not. */
export async function inStore<R>(
  product: Product,
  projectId: string,
  work: (store: S3ObjectStore, prefix: string) => Promise<R>,
): Promise<R> {
  const store = new S3ObjectStore({ ...product.stack.access.s3, bucket: await bucketOf(product, projectId) });
  try {
    return await work(store, `projects/${projectId}/`);
  } finally {
    store.destroy();
  }
}
