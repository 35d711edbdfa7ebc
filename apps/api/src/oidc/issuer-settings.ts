import type { Logger } from '@buckets/service';
import type { ApiSettings } from '../settings.js';
import { Issuer } from './issuer.js';

/** The issuer whose people may come in: an `Issuer`, or null where there is none. */
export const ISSUER = Symbol('the OIDC issuer');

/** @throws {Error} with a sentence that says what is missing */
export function issuerOf(settings: ApiSettings, log: Pick<Logger, 'warn'>): Issuer | null {
  const { oidcIssuer: issuer, oidcAudience: audience, oidcKeysUrl: keysUrl, oidcIdsKey: idsKey } = settings;
  if (issuer === undefined) return null;
  if (audience === undefined || keysUrl === undefined || idsKey === undefined) {
    throw new Error(
      'With BUCKETS_OIDC_ISSUER the API also needs BUCKETS_OIDC_AUDIENCE, BUCKETS_OIDC_KEYS_URL and BUCKETS_OIDC_IDS_KEY.',
    );
  }
  const { oidcAlgorithms: algorithms, oidcUserClaim: userClaim, oidcRolesClaim: rolesClaim } = settings;
  const { oidcMaxTokenAge: maxAgeMs } = settings;
  return new Issuer(
    { ...{ issuer, audience, keysUrl, idsKey: idsKey.reveal() }, ...{ algorithms, userClaim, rolesClaim, maxAgeMs } },
    log,
  );
}
