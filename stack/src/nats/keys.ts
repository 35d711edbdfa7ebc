import { join } from 'node:path';
import { fromSeed, createAccount, createOperator, type KeyPair } from '@nats-io/nkeys';
import { keptText } from '../private-files.js';

/** Who signs what. Each is made once and kept; whoever has the operator's seed owns the server. */
export interface Keys {
  readonly operator: KeyPair;
  readonly system: KeyPair;
  readonly control: KeyPair;
  readonly hosts: KeyPair;
  /** Signs users of the hosts' account, confined to what a host may do: the one key that the API gets. */
  readonly hostsSigning: KeyPair;
}

export const HOSTS_SIGNING_SEED = 'hosts-signing.seed';

export async function readKeys(secretsFolder: string): Promise<Keys> {
  const kept = async (name: string, make: () => KeyPair) =>
    fromSeed(encode(await keptText(join(secretsFolder, name), () => seedOf(make()))));
  const [operator, system, control, hosts, hostsSigning] = await Promise.all([
    kept('operator.seed', createOperator),
    kept('system-account.seed', createAccount),
    kept('control-account.seed', createAccount),
    kept('hosts-account.seed', createAccount),
    kept(HOSTS_SIGNING_SEED, createAccount),
  ]);
  return { operator, system, control, hosts, hostsSigning };
}

function seedOf(key: KeyPair): string {
  return new TextDecoder().decode(key.getSeed());
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
