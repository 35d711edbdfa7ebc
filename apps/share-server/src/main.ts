import { natsSettings } from '@buckets/log';
import { runService, serviceSettings } from '@buckets/service';
import { defineSettings } from '@buckets/settings';
import { ShareServerModule } from './share-server.module.js';

/** Shares come later: for now the server starts, says that it is well, and stops in good order. */
await runService({
  name: 'share-server',
  settings: defineSettings({
    ...serviceSettings,
    ...natsSettings('NATS credentials of the share server'),
  }),
  module: (settings) => ShareServerModule.with(settings),
});
