import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { STREAM } from '@buckets/contracts';
import { connectToNats, ProjectionBehind, Projector, resetProjection } from '@buckets/log';
import { createLogger, type Logger } from '@buckets/service';
import { readSettings } from '@buckets/settings';
import { projections } from './index.js';
import { schedulerSettings } from './settings.js';
import { openDatabase } from './tables/database.js';

/** Without a step forward for so long, something is wrong. */
const STUCK_MS = 60_000;

/**
 * Empties the scheduler's tables, makes them anew from the log up to its end, and exits. Nothing is sent: statements and
 * requests come from a scheduler that runs, and that one waits for its tables.
 */
async function rebuild(log: Logger): Promise<void> {
  const settings = readSettings(schedulerSettings);
  const { natsUrl, natsCredsFile, postgresUrl, postgresConnections } = settings;
  const data = await openDatabase(postgresUrl.reveal(), postgresConnections);
  const nats = await connectToNats({ url: natsUrl, credsFile: natsCredsFile, name: 'buckets-scheduler-rebuild' });
  try {
    const jsm = await jetstreamManager(nats);
    for (const projection of projections) {
      await resetProjection(data, projection);
      const projector = new Projector(jetstream(nats), jsm, data, projection, log);
      await projector.start();
      await reachEnd(projector, jsm);
      await projector.stop();
      log.info({ projection: projection.name, position: projector.position }, 'Made anew from the log');
    }
  } finally {
    await data.destroy();
    await nats.close();
  }
}

async function reachEnd(projector: Projector, jsm: JetStreamManager): Promise<void> {
  const { state } = await jsm.streams.info(STREAM.log);
  for (let before = -1; projector.position < state.last_seq; before = projector.position) {
    await projector.waitFor(state.last_seq, STUCK_MS).catch((error: unknown) => {
      const stuck = !(error instanceof ProjectionBehind) || projector.failure !== undefined;
      if (stuck || projector.position <= before) throw projector.failure ?? error;
    });
  }
}

const log = createLogger('scheduler-rebuild');
try {
  await rebuild(log);
} catch (error) {
  log.fatal({ error }, 'The tables could not be made anew');
  process.exitCode = 1;
}
