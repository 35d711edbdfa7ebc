import { encodeUser, fmtCreds } from '@nats-io/jwt';
import { createUser, fromPublic, fromSeed } from '@nats-io/nkeys';
import type { Secret } from '@buckets/settings';

/**
 * Makes NATS credentials for the workers of hosts. What a worker may do stands in the hosts' account, as the role of
 * the signing key; the user brings just its name, the host's id.
 */
export class HostCredentials {
  constructor(
    /** The seed of the hosts' account's signing key. */
    private readonly signingSeed: Secret,
    /** The public key of the hosts' account. */
    private readonly account: string,
  ) {}

  /** The text of a credentials file. */
  async issue(hostId: string): Promise<string> {
    const user = createUser();
    const signer = fromSeed(new TextEncoder().encode(this.signingSeed.reveal().trim()));
    const jwt = await encodeUser(hostId, user, fromPublic(this.account), {}, { signer, scopedUser: true });
    return new TextDecoder().decode(fmtCreds(jwt, user));
  }
}
