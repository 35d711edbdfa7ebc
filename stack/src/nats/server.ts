import { connect } from 'node:net';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeAccount, encodeOperator, type Account } from '@nats-io/jwt';
import type { Part } from '../processes/supervised.js';
import { privateFolder, writePrivately } from '../private-files.js';
import { controlAccount, hostsAccount, systemAccount } from './accounts.js';
import type { Keys } from './keys.js';
import type { SigningKey } from './signing-key.js';

export interface NatsServerOptions {
  /** The program. */
  readonly program: string;
  /** Where the server keeps streams, accounts and its configuration. */
  readonly folder: string;
  /** `address:port` */
  readonly listen: string;
  readonly keys: Keys;
}

/** A NATS server in operator mode, with JetStream for the control plane's account. */
export function natsServer({ program, folder, listen, keys }: NatsServerOptions): Part {
  return {
    name: 'nats',
    command: async () => {
      const configuration = await configureNats(folder, listen, keys);
      return { file: program, args: ['--config', configuration], env: { PATH: process.env.PATH } };
    },
    ready: () => greets(Number(listen.split(':')[1])),
    worthSeeing: (line) => !line.includes('[INF]'),
    stopWith: 'SIGTERM',
  };
}

/** Writes what a server needs to be ours into its folder. @returns the path of its configuration */
export async function configureNats(folder: string, listen: string, keys: Keys): Promise<string> {
  await privateFolder(folder);
  await writeAccounts(join(folder, 'accounts'), keys);
  const configuration = join(folder, 'server.conf');
  await writePrivately(configuration, await serverConfiguration(folder, listen, keys));
  return configuration;
}

async function serverConfiguration(folder: string, listen: string, keys: Keys): Promise<string> {
  const operator = await encodeOperator('buckets', keys.operator, { system_account: keys.system.getPublicKey() });
  const system = await signedAccount('system', keys.system, systemAccount(), keys);
  // An acknowledged fact survives a power cut: every write is flushed to the disk. Who connects may take a while to
  // say who it is: on a busy machine two seconds, the default, are soon over.
  return `
server_name: buckets
listen: "${listen}"
max_payload: 1MiB
authorization { timeout: 30 }
jetstream {
  store_dir: ${JSON.stringify(join(folder, 'jetstream'))}
  sync_interval: always
  max_memory_store: 4GiB
  max_file_store: 1TiB
}
operator: ${operator}
system_account: ${keys.system.getPublicKey()}
resolver {
  type: full
  dir: ${JSON.stringify(join(folder, 'accounts'))}
  allow_delete: false
  interval: "2m"
}
resolver_preload {
  ${keys.system.getPublicKey()}: ${system}
}
`;
}

/**
 * Puts the accounts into the resolver's folder before the server starts. One that says what it should stays as it
 * is: the server has the newest, perhaps with users revoked since. Revocations outlive a change of the rest.
 */
async function writeAccounts(folder: string, keys: Keys): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const wanted = [
    ['control', keys.control, controlAccount(keys)],
    ['hosts', keys.hosts, hostsAccount(keys)],
  ] as const;
  for (const [name, key, account] of wanted) {
    const file = join(folder, `${key.getPublicKey()}.jwt`);
    const present = await presentAccount(file);
    if (present !== undefined && sameDefinition(present, account)) continue;
    await writePrivately(file, await signedAccount(name, key, { ...account, revocations: present?.revocations }, keys));
  }
}

async function presentAccount(file: string): Promise<Partial<Account> | undefined> {
  try {
    const [, claims] = (await readFile(file, 'utf8')).split('.');
    return (JSON.parse(Buffer.from(claims!, 'base64url').toString()) as { nats: Partial<Account> }).nats;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function sameDefinition(present: Partial<Account>, wanted: Partial<Account>): boolean {
  return Object.entries(wanted).every(
    ([field, value]) => JSON.stringify(present[field as keyof Account]) === JSON.stringify(value),
  );
}

function signedAccount(name: string, key: SigningKey, account: Partial<Account>, keys: Keys): Promise<string> {
  return encodeAccount(name, key, account, { signer: keys.operator });
}

/** Whether a NATS server takes clients on this port: it speaks first. */
async function greets(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    const [greeting] = (await once(socket, 'data', { signal: AbortSignal.timeout(1_000) })) as [Buffer];
    return greeting.toString().startsWith('INFO ');
  } finally {
    socket.destroy();
  }
}
