import { runService, serviceSettings } from '@buckets/service';
import { defineSettings, filePath, string } from '@buckets/settings';
import { ShareServerModule } from './share-server.module.js';

/** Shares come later: for now the server starts, says that it is well, and stops in good order. */
await runService({
  name: 'share-server',
  settings: defineSettings({
    ...serviceSettings,
    natsUrl: string('BUCKETS_NATS_URL', { default: 'nats://127.0.0.1:4222', describe: 'Where NATS listens' }),
    natsCredsFile: filePath('BUCKETS_NATS_CREDS_FILE', { describe: 'NATS credentials of the share server' }),
  }),
  module: (settings) => ShareServerModule.with(settings),
});
