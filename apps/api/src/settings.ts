import { natsSettings } from '@buckets/log';
import { serviceSettings } from '@buckets/service';
import {
  bytes,
  defineSettings,
  duration,
  durations,
  integer,
  secret,
  secretUrl,
  string,
  type SettingsOf,
} from '@buckets/settings';
import { LIMIT_NAMES } from './project-decisions/limits.js';

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
