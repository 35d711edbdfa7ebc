import { S3ObjectStore, type S3Limits } from '@buckets/object-storage';
import type { BucketAccess, RepositoryAccess } from '@buckets/contracts';
import {
  BucketCredentials,
  BucketCredentialsMissing,
  PostgresCredentialRows,
  PostgresKeyRows,
  isSealed,
  Vault,
  VaultUnreadable,
  type PlatformKeys,
  type RestoredVault,
} from '@buckets/vault';
import { createRepositoryKey } from '@buckets/repository';
import { reasonOf, withDeadline } from '@buckets/service';
import type { DataSource } from 'typeorm';
import { Rejection } from '../problems/rejection.js';
import { BucketRow } from '../tables/entities.js';
import type { ProjectKeys, ProjectKeySet, TextPlace } from './project-keys.js';

/** Whether the storage is well is not known, as Postgres does not say which buckets there are. */
export class BucketsUnknown extends Error {
  readonly code = 'buckets-unknown';
  constructor(cause: unknown) {
    super(`Not known: which buckets there are stands in Postgres. ${reasonOf(cause)}`, { cause });
    this.name = 'BucketsUnknown';
  }
}

/** The vault, with the buckets that hold its second copies. */
export class VaultKeys implements ProjectKeys {
  private readonly vault: Vault;
  private readonly credentials: BucketCredentials;
  private readonly stores = new Map<string, S3ObjectStore>();

  constructor(
    private readonly data: DataSource,
    platformKeys: PlatformKeys,
    private readonly patience: S3Limits = PATIENCE,
  ) {
    this.vault = new Vault({
      rows: new PostgresKeyRows(data),
      platformKeys,
      createRepositoryKey: () => JSON.parse(createRepositoryKey()) as RepositoryAccess['masterKey'],
    });
    this.credentials = new BucketCredentials(new PostgresCredentialRows(data), platformKeys);
  }

  async ensure(projectId: string, bucketId: string): Promise<ProjectKeySet> {
    const { repositoryKey, recoveryPassword, dataKey } = await this.vault.ensure(projectId, await this.store(bucketId));
    return { masterKey: repositoryKey, recoveryPassword, dataKey };
  }

  async hasTraceOf(projectId: string, bucketId: string): Promise<boolean> {
    return this.vault.hasTraceOf(projectId, await this.store(bucketId));
  }

  async get(projectId: string): Promise<ProjectKeySet> {
    const { repositoryKey, recoveryPassword, dataKey } = await this.vault.get(projectId);
    return { masterKey: repositoryKey, recoveryPassword, dataKey };
  }

  async bucketAccess(bucketId: string): Promise<BucketAccess> {
    return { ...placeOf(await this.bucketRow(bucketId)), ...(await this.credentials.read(bucketId)) };
  }

  async storeBucketAccess(bucketId: string, { accessKeyId, secretAccessKey }: BucketAccess): Promise<void> {
    await this.credentials.store(bucketId, { accessKeyId, secretAccessKey });
  }

  /** Takes a bucket's credentials, and from it the keys of its projects, after the vault's database was lost. */
  async restoreFrom(
    bucketId: string,
    credentials: Pick<BucketAccess, 'accessKeyId' | 'secretAccessKey'>,
  ): Promise<RestoredVault> {
    const row = await this.bucketRow(bucketId);
    // What does not serve takes nobody's place.
    const store = new S3ObjectStore({ ...placeOf(row), ...credentials }, this.patience);
    try {
      await store.check();
    } finally {
      store.destroy();
    }
    await this.credentials.store(bucketId, credentials);
    return this.vault.restoreFromBucket(await this.store(bucketId));
  }

  async seal({ projectId, field }: TextPlace, text: string): Promise<string> {
    return this.vault.seal(projectId, text, { thing: 'project', id: projectId, field });
  }

  /** A text that does not open must not hide all that stands beside it: it came from a host, which may have erred. */
  async open({ projectId, field }: TextPlace, sealed: string): Promise<string> {
    if (!isSealed(sealed)) return sealed;
    try {
      return await this.vault.open(projectId, sealed, { thing: 'project', id: projectId, field });
    } catch (error) {
      if (error instanceof VaultUnreadable) return UNREADABLE;
      throw error;
    }
  }

  /**
   * Is every bucket there is within reach? For the health of the service. Which ones there are stands in Postgres: while
   * that does not answer, those are asked that are in use here.
   *
   * @throws {BucketsUnknown} where there are none: nothing is known of the storage then
   */
  async checkBuckets(signal: AbortSignal): Promise<void> {
    const stores = await this.storesToCheck();
    const looks = await Promise.allSettled(stores.map(async (store) => (await store).check({ signal })));
    const failures = looks.flatMap((look) => (look.status === 'rejected' ? [look.reason as unknown] : []));
    const missing = failures.flatMap((error) => (error instanceof BucketCredentialsMissing ? error.bucketIds : []));
    if (missing.length > 0) throw new BucketCredentialsMissing(missing);
    // Always the same one of several: who hears it over and over hears no news.
    if (failures.length > 0) throw failures[0];
  }

  close(): void {
    for (const store of this.stores.values()) store.destroy();
  }

  private async storesToCheck(): Promise<Promise<S3ObjectStore>[]> {
    try {
      const buckets = this.data.getRepository(BucketRow).find({ order: { position: 'ASC' }, take: MAX_CHECKED });
      const rows = await withDeadline(buckets, READ_WITHIN_MS, 'Reading from Postgres which buckets there are');
      // What was not in use yet needs Postgres once more.
      return rows.map(({ id }) =>
        withDeadline(this.store(id), READ_WITHIN_MS, `Reading from Postgres how bucket ${id} is reached`),
      );
    } catch (error) {
      if (this.stores.size === 0) throw new BucketsUnknown(error);
      return [...this.stores.values()].slice(0, MAX_CHECKED).map((store) => Promise.resolve(store));
    }
  }

  private async bucketRow(bucketId: string): Promise<BucketRow> {
    const row = await this.data.getRepository(BucketRow).findOneBy({ id: bucketId });
    if (row === null) throw new Rejection('bucket-not-found', `There is no bucket ${bucketId}.`, 404);
    return row;
  }

  private async store(bucketId: string): Promise<S3ObjectStore> {
    const known = this.stores.get(bucketId);
    if (known !== undefined) return known;
    const store = new S3ObjectStore(await this.bucketAccess(bucketId), this.patience);
    this.stores.set(bucketId, store);
    return store;
  }
}

function placeOf({
  endpoint,
  s3_region: region,
  bucket,
}: BucketRow): Omit<BucketAccess, 'accessKeyId' | 'secretAccessKey'> {
  return { endpoint, region, bucket };
}

/** Somebody waits for the answer: better a 503 within seconds. */
const PATIENCE: S3Limits = { connectMs: 1_500, answerMs: 3_000, attempts: 2 };
/** Of a command, which reads much, and whose operator would have to begin again: a storage may say no for some seconds. */
export const COMMANDS_PATIENCE: S3Limits = { attempts: 8 };
const MAX_CHECKED = 20;
/** Of a check of health, which has two seconds: the storage is to have most of them. */
const READ_WITHIN_MS = 600;
const UNREADABLE = '[unreadable]';
