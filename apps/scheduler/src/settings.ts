import { natsSettings } from '@buckets/log';
import { serviceSettings } from '@buckets/service';
import { defineSettings, duration, integer, secretUrl, type SettingsOf } from '@buckets/settings';

export const schedulerSettings = defineSettings({
  ...serviceSettings,
  ...natsSettings("NATS credentials of a user in the control plane's account"),
  postgresUrl: secretUrl('BUCKETS_POSTGRES_URL', {
    protocols: ['postgres:', 'postgresql:'],
    describe: 'The database that holds the tables',
  }),
  postgresConnections: integer('BUCKETS_POSTGRES_CONNECTIONS', {
    default: 8,
    min: 5,
    max: 200,
    describe: 'Connections to Postgres at most',
  }),
  silenceLimitMs: duration('BUCKETS_HOST_SILENCE_LIMIT', {
    default: '30s',
    min: '1s',
    describe: 'How long a host may say nothing before the freshness of its projects is unknown',
  }),
  confirmEveryMs: duration('BUCKETS_CONFIRM_INTERVAL', {
    default: '2s',
    min: '100ms',
    describe: 'How often it is told until when what was stated of freshness is certain',
  }),
  scheduleTickMs: duration('BUCKETS_SCHEDULE_TICK', {
    default: '10s',
    min: '100ms',
    describe: 'How often the schedule looks for projects whose backup is due',
  }),
  scheduleAtMost: integer('BUCKETS_SCHEDULE_AT_MOST', {
    default: 20,
    min: 1,
    max: 1000,
    describe: 'Backups that the schedule asks for in one tick, on all hosts together',
  }),
  schedulePerHost: integer('BUCKETS_SCHEDULE_PER_HOST', {
    default: 10,
    min: 1,
    max: 1000,
    describe: 'Backups queued or under way on one host beyond which the schedule adds none',
  }),
  limitsTickMs: duration('BUCKETS_LIMITS_TICK', {
    default: '1s',
    min: '100ms',
    describe: 'How often operations are looked for whose time is up',
  }),
  cancelLimitMs: duration('BUCKETS_CANCEL_LIMIT', {
    default: '2m',
    min: '1s',
    describe: 'How long a host may leave a cancel unanswered before the operation is ended without it',
  }),
  retentionTickMs: duration('BUCKETS_RETENTION_TICK', {
    default: '1m',
    min: '100ms',
    describe: 'How often backups are looked for that their project keeps no longer',
  }),
  orphanGraceMs: duration('BUCKETS_ORPHAN_GRACE', {
    default: '24h',
    min: '1m',
    describe: 'How old a snapshot that is no backup must be before it is removed',
  }),
  verifyIntervalMs: duration('BUCKETS_VERIFY_INTERVAL', {
    default: '72h',
    min: '1s',
    describe: 'How often each repository is looked at, whether what its backups need is there',
  }),
});

export type SchedulerSettings = SettingsOf<typeof schedulerSettings>;
