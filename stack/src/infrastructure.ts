import { join } from 'node:path';
import { tool } from './clone.js';
import { natsServer } from './nats/server.js';
import { postgresServer, postgresUrl } from './postgres/server.js';
import { writePrivately } from './private-files.js';
import type { Part } from './processes/supervised.js';
import { S3_REGION } from './s3/buckets.js';
import { s3Server, type S3Ports } from './s3/server.js';
import { secretsIn, type Secrets } from './secrets.js';

/** What the services stand on: the addresses of NATS, Postgres and S3, and the secrets that go with them. */
export interface Infrastructure extends Secrets {
  readonly natsUrl: string;
  /** With the password in it. */
  readonly postgresUrl: string;
  /** A file with just that. */
  readonly postgresUrlFile: string;
  readonly s3: Secrets['s3'] & { readonly endpoint: string; readonly region: string };
}

export type InfrastructurePort = 'nats' | 'postgres' | keyof S3Ports;

/** The ports at which the three servers are found. */
export type ServerPorts = Readonly<Record<'nats' | 'postgres' | 's3', number>>;

/**
 * Makes, once, the secrets of a data folder, and says how the three servers are run.
 *
 * @param found where others find the servers, if something stands between
 */
export async function infrastructureIn(
  dataDir: string,
  ports: Readonly<Record<InfrastructurePort, number>>,
  found: ServerPorts = ports,
): Promise<{ infrastructure: Infrastructure; parts: [nats: Part, postgres: Part, s3: Part] }> {
  const secrets = await secretsIn(join(dataDir, 'secrets'));
  const password = secrets.postgresPassword;
  const url = postgresUrl({ port: found.postgres, password });
  const postgresUrlFile = join(dataDir, 'secrets', 'postgres.url');
  await writePrivately(postgresUrlFile, url);
  return {
    infrastructure: {
      ...secrets,
      natsUrl: `nats://127.0.0.1:${found.nats}`,
      postgresUrl: url,
      postgresUrlFile,
      s3: { ...secrets.s3, endpoint: `http://127.0.0.1:${found.s3}`, region: S3_REGION },
    },
    parts: [
      natsServer({
        program: tool('nats-server'),
        folder: join(dataDir, 'nats'),
        listen: `127.0.0.1:${ports.nats}`,
        keys: secrets.keys,
      }),
      postgresServer({ port: ports.postgres, password, folder: join(dataDir, 'postgres') }),
      s3Server({
        program: tool('weed'),
        folder: join(dataDir, 's3'),
        ports,
        identities: [secrets.s3.admin, ...secrets.s3.buckets],
      }),
    ],
  };
}
