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
    default: '1s',
    min: '100ms',
    describe: 'How often it is looked for what is due: backups, deletions, tidyings, verifications, time limits',
  }),
  scheduleAtMost: integer('BUCKETS_SCHEDULE_AT_MOST', {
    default: 500,
    min: 1,
    max: 10_000,
    describe: 'Work of one kind that is asked for in one go, on all hosts together; the next go follows at once',
  }),
  schedulePerHost: integer('BUCKETS_SCHEDULE_PER_HOST', {
    default: 10,
    min: 1,
    max: 1000,
    describe: 'Backups queued or under way on one host beyond which the schedule adds none',
  }),
  cancelLimitMs: duration('BUCKETS_CANCEL_LIMIT', {
    default: '2m',
    min: '1s',
    describe: 'How long a host may leave a cancel unanswered before the operation is ended without it',
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
