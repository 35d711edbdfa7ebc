import { BucketCredentialsMissing } from './errors.js';
import type { PlatformKeys } from './platform-keys.js';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** The database's side of the buckets' credentials, wrapped. */
export interface CredentialRows {
  read(bucketId: string): Promise<string | undefined>;
  /** Takes the place of what was there. */
  write(bucketId: string, wrapped: string): Promise<void>;
}

/**
 * The credentials of buckets, wrapped in the database. They have no second copy: it takes them to read the bucket,
 * so whoever restores a lost database gives them again.
 */
export class BucketCredentials {
  constructor(
    private readonly rows: CredentialRows,
    private readonly platformKeys: PlatformKeys,
  ) {}

  async store(bucketId: string, { accessKeyId, secretAccessKey }: Credentials): Promise<void> {
    const text = JSON.stringify({ accessKeyId, secretAccessKey });
    await this.rows.write(bucketId, this.platformKeys.wrap(Buffer.from(text), contextOf(bucketId)));
  }

  /** @throws {BucketCredentialsMissing} {PlatformKeyUnknown} {VaultUnreadable} */
  async read(bucketId: string): Promise<Credentials> {
    const wrapped = await this.rows.read(bucketId);
    if (wrapped === undefined) throw new BucketCredentialsMissing([bucketId]);
    return JSON.parse(this.platformKeys.unwrap(wrapped, contextOf(bucketId)).toString('utf8')) as Credentials;
  }
}

function contextOf(bucketId: string): { purpose: 'bucket-credentials'; id: string } {
  return { purpose: 'bucket-credentials', id: bucketId };
}
