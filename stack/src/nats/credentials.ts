import { encodeUser, fmtCreds, type User } from '@nats-io/jwt';
import { Prefix } from '@nats-io/nkeys';
import { SigningKey } from './signing-key.js';

/** A credentials file (JWT and seed of a new user) for a user of an account whose own key is at hand. */
export async function accountCredentials(
  account: SigningKey,
  name: string,
  permissions: Partial<User> = {},
): Promise<string> {
  const user = SigningKey.create(Prefix.User);
  return new TextDecoder().decode(fmtCreds(await encodeUser(name, user, account, permissions), user));
}
