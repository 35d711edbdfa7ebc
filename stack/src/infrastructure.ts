import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { S3ObjectStore } from '@buckets/object-storage';
import { tool } from './clone.js';
import { REGIONS } from './fleet.js';
import { controlCredentials, type ControlUser } from './nats/control-users.js';
import { HOSTS_SIGNING_SEED, readKeys } from './nats/keys.js';
import { natsServer } from './nats/server.js';
import { newPassword, postgresServer, postgresUrl } from './postgres/server.js';
import { keptText, privateFolder, writePrivately } from './private-files.js';
import type { Part } from './processes/supervised.js';
import { s3Server, type S3Identity, type S3Ports } from './s3/server.js';

/** What the services stand on: the addresses of NATS, Postgres and S3, and the secrets that go with them. */
export interface Infrastructure {
  readonly natsUrl: string;
  /** Credentials files of the control plane's users. */
  readonly controlCredentials: Readonly<Record<ControlUser, string>>;
  /** Public key of the hosts' account. */
  readonly hostsAccount: string;
  readonly hostsSigningKeyFile: string;
  readonly postgresUrl: string;
  readonly postgresUrlFile: string;
  readonly platformKeyFile: string;
  readonly adminToken: string;
  readonly adminTokenFile: string;
  readonly s3: {
    readonly endpoint: string;
    readonly region: string;
    readonly admin: S3Identity;
    /** By region: each bucket with the identity that may use it and nothing else. */
    readonly buckets: readonly BucketIdentity[];
  };
}

export type BucketIdentity = S3Identity & { readonly bucket: string; readonly regionId: string };

export type InfrastructurePort = 'nats' | 'postgres' | keyof S3Ports;

const S3_REGION = 'us-east-1';

/** Makes, once, the secrets of a data folder, and says how the three servers are run. */
export async function infrastructureIn(
  dataDir: string,
  ports: Readonly<Record<InfrastructurePort, number>>,
): Promise<{ infrastructure: Infrastructure; parts: [nats: Part, postgres: Part, s3: Part] }> {
  const secrets = await privateFolder(join(dataDir, 'secrets'));
  const secret = (name: string, make: () => string) => keptText(join(secrets, name), make);
  const s3Key = async (name: string) => JSON.parse(await secret(`s3-${name}.json`, newS3Key)) as S3Key;
  const [keys, password, adminToken] = await Promise.all([
    readKeys(secrets),
    secret('postgres.password', newPassword),
    secret('admin.token', () => `bkt_admin_${randomBytes(32).toString('base64url')}`),
    secret('platform.key', () => randomBytes(32).toString('base64')),
  ]);
  const s3Admin: S3Identity = { name: 'admin', ...(await s3Key('admin')) };
  const s3Buckets = await Promise.all(
    REGIONS.map(async ({ id }): Promise<BucketIdentity> => {
      const bucket = `buckets-${id}`;
      return { name: bucket, bucket, regionId: id, ...(await s3Key(id)) };
    }),
  );
  const url = postgresUrl({ port: ports.postgres, password });
  const urlFile = join(secrets, 'postgres.url');
  await writePrivately(urlFile, url);
  return {
    infrastructure: {
      natsUrl: `nats://127.0.0.1:${ports.nats}`,
      controlCredentials: await controlCredentials(keys, secrets),
      hostsAccount: keys.hosts.getPublicKey(),
      hostsSigningKeyFile: join(secrets, HOSTS_SIGNING_SEED),
      postgresUrl: url,
      postgresUrlFile: urlFile,
      platformKeyFile: join(secrets, 'platform.key'),
      adminToken,
      adminTokenFile: join(secrets, 'admin.token'),
      s3: { endpoint: `http://127.0.0.1:${ports.s3}`, region: S3_REGION, admin: s3Admin, buckets: s3Buckets },
    },
    parts: [
      natsServer({ program: tool('nats-server'), folder: join(dataDir, 'nats'), port: ports.nats, keys }),
      postgresServer({ folder: join(dataDir, 'postgres'), port: ports.postgres, password }),
      s3Server({
        program: tool('weed'),
        folder: join(dataDir, 's3'),
        ports,
        identities: [s3Admin, ...s3Buckets],
      }),
    ],
  };
}

/** Makes the buckets in the S3 server. Those that are there stay. */
export async function createBuckets({ endpoint, region, admin, buckets }: Infrastructure['s3']): Promise<void> {
  const { accessKeyId, secretAccessKey } = admin;
  await Promise.all(
    buckets.map(async ({ bucket }) => {
      const store = new S3ObjectStore({ endpoint, region, bucket, accessKeyId, secretAccessKey });
      try {
        await store.createBucket();
      } finally {
        store.destroy();
      }
    }),
  );
}

type S3Key = Pick<S3Identity, 'accessKeyId' | 'secretAccessKey'>;

function newS3Key(): string {
  const key: S3Key = {
    accessKeyId: randomBytes(10).toString('hex').toUpperCase(),
    secretAccessKey: randomBytes(30).toString('base64url'),
  };
  return JSON.stringify(key);
}
