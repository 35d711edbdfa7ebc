import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connectToNats, rebuildProjection } from '@buckets/log';
import { createLogger, tellFailure, type Logger } from '@buckets/service';
import { readSettings } from '@buckets/settings';
import { projections } from './index.js';
import { schedulerSettings } from './settings.js';
import { openSchedulerDatabase } from './tables/database.js';

/** Two to lead and listen with, one that writes. */
const CONNECTIONS = 3;

/** Makes the scheduler's tables anew from the log, and exits. Sends nothing; services may run meanwhile. */
async function rebuild(log: Logger): Promise<void> {
  const { natsUrl, natsCredsFile, postgresUrl } = readSettings(schedulerSettings);
  const url = postgresUrl.reveal();
  await using resources = new AsyncDisposableStack();
  const nats = resources.adopt(
    await connectToNats({ url: natsUrl, credsFile: natsCredsFile, name: 'buckets-scheduler-rebuild' }),
    (connection) => connection.close(),
  );
  const data = resources.adopt(
    await openSchedulerDatabase({ url, connections: CONNECTIONS, patient: true }),
    (database) => database.destroy(),
  );
  const jsm = await jetstreamManager(nats);
  for (const projection of projections) {
    const rebuilt = await rebuildProjection({ js: jetstream(nats), jsm, data, projection });
    log.info({ projection: projection.name, ...rebuilt }, 'Made anew from the log');
  }
}

const log = createLogger('scheduler-rebuild');
try {
  await rebuild(log);
} catch (error) {
  tellFailure(error, log);
  process.exitCode = 1;
}
