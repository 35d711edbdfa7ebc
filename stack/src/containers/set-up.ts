import { chown, copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { configureNats } from '../nats/server.js';
import { postgresUrl } from '../postgres/server.js';
import { writePrivately } from '../private-files.js';
import { s3Configuration } from '../s3/server.js';
import { secretsIn } from '../secrets.js';
import { PLACE, POSTGRES, SERVICE_USER } from './places.js';

/**
 * Runs once before the other containers, and again without harm: makes the secrets, and gives each container just
 * those that are its own, in a volume that no other one has.
 */
async function setUp(): Promise<void> {
  const secrets = await secretsIn(PLACE.secrets);
  const { keys, controlCredentials, postgresPassword } = secrets;
  const url = postgresUrl({ ...POSTGRES, password: postgresPassword });

  await configureNats(PLACE.nats, '0.0.0.0:4222', keys);
  await write(join(PLACE.s3, 's3.json'), s3Configuration([secrets.s3.admin, ...secrets.s3.buckets]));
  await write(join(PLACE.postgres, 'password'), postgresPassword);

  await give(PLACE.api, {
    'nats.creds': controlCredentials.api,
    'hosts-signing.seed': secrets.hostsSigningKeyFile,
    'platform.key': secrets.platformKeyFile,
    'admin.token': secrets.adminTokenFile,
  });
  await writeFor(SERVICE_USER, join(PLACE.api, 'postgres.url'), url);
  await writeFor(SERVICE_USER, join(PLACE.api, 'hosts.account'), secrets.hostsAccount);
  await give(PLACE.scheduler, { 'nats.creds': controlCredentials.scheduler });
  await writeFor(SERVICE_USER, join(PLACE.scheduler, 'postgres.url'), url);
  await give(PLACE.shareServer, { 'nats.creds': controlCredentials['share-server'] });
}

async function give(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, source] of Object.entries(files)) {
    const target = join(folder, name);
    await mkdir(folder, { recursive: true });
    await copyFile(source, target);
    await chown(target, SERVICE_USER, SERVICE_USER);
  }
}

async function writeFor(user: number, file: string, content: string): Promise<void> {
  await write(file, content);
  await chown(file, user, user);
}

async function write(file: string, content: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writePrivately(file, content);
}

await setUp();
console.log('Secrets and configurations are in place.');
