import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connectToNats, rebuildProjection } from '@buckets/log';
import { everySecond } from './wiring/every-second.js';
import { operatorCommand } from './operator/operator-command.js';
import { TablesProjection } from './tables/tables-projection.js';

/**
 * Makes the API's tables anew from the log, and exits. Sends nothing; the journal and the vault stay as they are;
 * services may run meanwhile.
 */
await operatorCommand('rebuild', async ({ settings, data, log }) => {
  const { natsUrl: url, natsCredsFile: credsFile } = settings;
  const nats = await connectToNats({ url, credsFile, name: 'buckets-api-rebuild' });
  try {
    const jsm = await jetstreamManager(nats);
    const projection = new TablesProjection();
    const onProgress = everySecond((progress: object) => log.info(progress, 'Reading the log'));
    const rebuilt = await rebuildProjection({ js: jetstream(nats), jsm, data, projection, onProgress });
    const perSecond = Math.round(rebuilt.messages / rebuilt.seconds);
    log.info({ projection: projection.name, ...rebuilt, perSecond }, 'Made anew from the log');
  } finally {
    await nats.close();
  }
});
