import { join } from 'node:path';
import { Prefix } from '@nats-io/nkeys';
import { keptText } from '../private-files.js';
import { SigningKey } from './signing-key.js';

/** Who signs what. Each is made once and kept; whoever has the operator's seed owns the server. */
export interface Keys {
  readonly operator: SigningKey;
  readonly system: SigningKey;
  readonly control: SigningKey;
  readonly hosts: SigningKey;
  /** Signs users of the hosts' account, confined to what a host may do: the one key that the API gets. */
  readonly hostsSigning: SigningKey;
}

export const HOSTS_SIGNING_SEED = 'hosts-signing.seed';

export async function readKeys(secretsFolder: string): Promise<Keys> {
  const kept = async (name: string, role: Prefix) => {
    const make = () => new TextDecoder().decode(SigningKey.create(role).getSeed());
    return SigningKey.fromSeed(await keptText(join(secretsFolder, name), make));
  };
  const [operator, system, control, hosts, hostsSigning] = await Promise.all([
    kept('operator.seed', Prefix.Operator),
    kept('system-account.seed', Prefix.Account),
    kept('control-account.seed', Prefix.Account),
    kept('hosts-account.seed', Prefix.Account),
    kept(HOSTS_SIGNING_SEED, Prefix.Account),
  ]);
  return { operator, system, control, hosts, hostsSigning };
}
