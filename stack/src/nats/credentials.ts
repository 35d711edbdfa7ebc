import { encodeUser, fmtCreds, type User } from '@nats-io/jwt';
import { Prefix, fromPublic } from '@nats-io/nkeys';
import { SigningKey } from './signing-key.js';

/**
 * A credentials file (JWT and seed of a new user) for the worker of one host. What it may do stands in the hosts'
 * account, as the role of the signing key; the user brings just its name, the host's id.
 *
 * @param signingSeed the seed of the hosts' signing key
 * @param hostsAccount the public key of the hosts' account
 */
export async function hostCredentials(signingSeed: string, hostsAccount: string, hostId: string): Promise<string> {
  const user = SigningKey.create(Prefix.User);
  const signer = SigningKey.fromSeed(signingSeed);
  const jwt = await encodeUser(hostId, user, fromPublic(hostsAccount), {}, { signer, scopedUser: true });
  return credentialsText(jwt, user);
}

/** A credentials file for a user of an account whose own key is at hand. */
export async function accountCredentials(
  account: SigningKey,
  name: string,
  permissions: Partial<User> = {},
): Promise<string> {
  const user = SigningKey.create(Prefix.User);
  return credentialsText(await encodeUser(name, user, account, permissions), user);
}

function credentialsText(jwt: string, user: SigningKey): string {
  return new TextDecoder().decode(fmtCreds(jwt, user));
}
