import { defineSettings, filePath, string } from '@buckets/settings';

/** How a service reaches NATS; `credentials` says whose they are. */
export function natsSettings(credentials: string) {
  return defineSettings({
    natsUrl: string('BUCKETS_NATS_URL', { default: 'nats://127.0.0.1:4222', describe: 'Where NATS listens' }),
    natsCredsFile: filePath('BUCKETS_NATS_CREDS_FILE', { describe: credentials }),
  });
}
