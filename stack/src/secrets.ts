import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { REGIONS } from './places.js';
import { controlCredentials, type ControlUser } from './nats/control-users.js';
import { HOSTS_SIGNING_SEED, readKeys, type Keys } from './nats/keys.js';
import { keptText, privateFolder } from './private-files.js';
import type { S3Identity } from './s3/server.js';

/** Everything that must not be known, each in a file that only its owner can read. */
export interface Secrets {
  readonly keys: Keys;
  /** Public key of the hosts' account. */
  readonly hostsAccount: string;
  /** Credentials files of the control plane's users. */
  readonly controlCredentials: Readonly<Record<ControlUser, string>>;
  readonly hostsSigningKeyFile: string;
  readonly postgresPassword: string;
  readonly platformKeyFile: string;
  readonly adminToken: string;
  readonly adminTokenFile: string;
  readonly s3: {
    readonly admin: S3Identity;
    /** By region: each bucket with the identity that may use it and nothing else. */
    readonly buckets: readonly BucketIdentity[];
  };
}

export type BucketIdentity = S3Identity & { readonly bucket: string; readonly regionId: string };

/** The secrets in a folder; what is not there yet is made. */
export async function secretsIn(folder: string): Promise<Secrets> {
  await privateFolder(folder);
  const kept = async (name: string, make: () => string) => {
    const file = join(folder, name);
    return { file, text: await keptText(file, make) };
  };
  const s3Key = async (name: string) => JSON.parse((await kept(`s3-${name}.json`, newS3Key)).text) as S3Key;
  const [keys, postgresPassword, adminToken, platformKey, adminKey, bucketKeys] = await Promise.all([
    readKeys(folder),
    // Safe in an address.
    kept('postgres.password', () => randomBytes(24).toString('base64url')),
    kept('admin.token', () => `bkt_admin_${randomBytes(32).toString('base64url')}`),
    kept('platform.key', () => randomBytes(32).toString('base64')),
    s3Key('admin'),
    Promise.all(REGIONS.map(({ id }) => s3Key(id))),
  ]);
  return {
    keys,
    hostsAccount: keys.hosts.getPublicKey(),
    controlCredentials: await controlCredentials(keys, folder),
    hostsSigningKeyFile: join(folder, HOSTS_SIGNING_SEED),
    postgresPassword: postgresPassword.text,
    platformKeyFile: platformKey.file,
    adminToken: adminToken.text,
    adminTokenFile: adminToken.file,
    s3: {
      admin: { name: 'admin', ...adminKey },
      buckets: REGIONS.map(({ id }, index) => {
        const bucket = `buckets-${id}`;
        return { name: bucket, bucket, regionId: id, ...bucketKeys[index]! };
      }),
    },
  };
}

type S3Key = Pick<S3Identity, 'accessKeyId' | 'secretAccessKey'>;

function newS3Key(): string {
  const key: S3Key = {
    accessKeyId: randomBytes(10).toString('hex').toUpperCase(),
    secretAccessKey: randomBytes(30).toString('base64url'),
  };
  return JSON.stringify(key);
}
