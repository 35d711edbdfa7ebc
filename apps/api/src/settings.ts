import { natsSettings } from '@buckets/log';
import { serviceSettings } from '@buckets/service';
import {
  bytes,
  choices,
  defineSettings,
  duration,
  durations,
  integer,
  requiredWith,
  secret,
  secretUrl,
  string,
  url,
  type SettingsOf,
} from '@buckets/settings';
import { JWT_ALGORITHMS } from './oidc/issuer.js';
import { LIMIT_NAMES } from './project-decisions/limits.js';

const ISSUER = 'BUCKETS_OIDC_ISSUER';

export const apiSettings = defineSettings({
  ...serviceSettings,
  ...natsSettings("NATS credentials of a user in the control plane's account"),
  postgresUrl: secretUrl('BUCKETS_POSTGRES_URL', {
    protocols: ['postgres:', 'postgresql:'],
    describe: 'The database that holds the tables, the journal and the vault',
  }),
  postgresConnections: integer('BUCKETS_POSTGRES_CONNECTIONS', {
    default: 12,
    min: 4,
    max: 200,
    describe: 'Connections to Postgres at most',
  }),
  platformKey: secret('BUCKETS_PLATFORM_KEY', {
    describe: 'The key that wraps all others: 32 random bytes in base64. Without it no backup can be read',
  }),
  adminToken: secret('BUCKETS_ADMIN_TOKEN', { describe: 'The token that may do everything, to begin with' }),
  hostsSigningKey: secret('BUCKETS_HOSTS_SIGNING_KEY', {
    describe: "The seed of the signing key of the hosts' NATS account",
  }),
  hostsAccount: string('BUCKETS_HOSTS_ACCOUNT', { describe: "The public key of the hosts' NATS account" }),
  natsReplicas: integer('BUCKETS_NATS_REPLICAS', {
    default: 1,
    min: 1,
    max: 5,
    describe: 'Copies of each stream: 3 in a cluster',
  }),
  hostSilenceLimitMs: duration('BUCKETS_HOST_SILENCE_LIMIT', {
    default: '30s',
    min: '1s',
    describe: 'How long a host may say nothing before it is told that it is silent: as the scheduler has it',
  }),
  freshnessLimitMs: duration('BUCKETS_FRESHNESS_LIMIT', {
    default: '1m',
    min: '1s',
    describe:
      'How long ago the freshness of a project may have been confirmed before it is shown as unknown: longer than ' +
      'BUCKETS_HOST_SILENCE_LIMIT, so that a silent host is told as such',
  }),
  logBytes: bytes('BUCKETS_LOG_BYTES', {
    default: '50GiB',
    min: '64MiB',
    describe: 'What the log may take on disk; new facts are refused beyond',
  }),
  oidcIssuer: url(ISSUER, {
    optional: true,
    describe: 'The OIDC issuer whose people may come in with its JWTs, word for word as their claim iss has it',
  }),
  oidcAudience: requiredWith(
    ISSUER,
    string('BUCKETS_OIDC_AUDIENCE', {
      optional: true,
      describe: 'What the claim aud has to name. Required with an issuer',
      example: 'buckets',
    }),
  ),
  oidcKeysUrl: requiredWith(
    ISSUER,
    url('BUCKETS_OIDC_KEYS_URL', {
      optional: true,
      describe: 'Where the issuer tells its keys (jwks_uri): https, unless on this machine. Required with an issuer',
      example: 'https://id.example/jwks.json',
    }),
  ),
  oidcIdsKey: requiredWith(
    ISSUER,
    secret('BUCKETS_OIDC_IDS_KEY', {
      optional: true,
      describe:
        'The key that the ids of people are made with: 32 random bytes in base64. Required with an issuer. With another one ' +
        'everybody is a stranger',
    }),
  ),
  oidcAlgorithms: choices('BUCKETS_OIDC_ALGORITHMS', JWT_ALGORITHMS, {
    default: 'RS256,ES256,EdDSA',
    describe: 'What the issuer may sign with',
  }),
  oidcUserClaim: string('BUCKETS_OIDC_USER_CLAIM', {
    default: 'sub',
    describe: 'The claim that tells people apart and stays as it is: the log has an opaque id that is made from it',
  }),
  oidcRolesClaim: string('BUCKETS_OIDC_ROLES_CLAIM', {
    default: 'roles',
    describe: 'The claim with the names of roles; with dots for what is within another one, such as realm_access.roles',
  }),
  oidcAdminRole: string('BUCKETS_OIDC_ADMIN_ROLE', {
    optional: true,
    describe: 'What the issuer calls those who may do everything; without it nobody may by a JWT',
    example: 'buckets-admin',
  }),
  oidcOperatorRole: string('BUCKETS_OIDC_OPERATOR_ROLE', {
    optional: true,
    describe: 'What the issuer calls those who run the fleet; without it nobody does by a JWT',
    example: 'buckets-operator',
  }),
  oidcMaxTokenAge: duration('BUCKETS_OIDC_MAX_TOKEN_AGE', {
    default: '1d',
    min: '1m',
    describe: 'How old a JWT may be, whatever it says of its end',
  }),
  limits: durations('BUCKETS_LIMITS', {
    optional: true,
    names: LIMIT_NAMES,
    min: '1s',
    max: '30d',
    example: 'backup.stall=5m,*.queue=6h',
    describe:
      'How long operations may take where their caller does not say, by kind (* for all others) and limit: queue ' +
      '(until an attempt begins), stall (without any sign of work), attempt, whole',
  }),
});

export type ApiSettings = SettingsOf<typeof apiSettings>;
