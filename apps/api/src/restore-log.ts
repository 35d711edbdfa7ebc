import { jetstreamManager } from '@nats-io/jetstream';
import { STREAM } from '@buckets/contracts';
import { connectToNats, PositionRow, restoreLog, streamInfo } from '@buckets/log';
import { provisionHostQueues } from './log-recovery/host-queues.js';
import { PostgresJournal } from './log-recovery/postgres-journal.js';
import { TablesProjection } from './tables/tables-projection.js';
import { commandAlone } from './operator/command-alone.js';
import { everySecond } from './wiring/every-second.js';
import { operatorCommand } from './operator/operator-command.js';

/**
 * Makes a log that was lost again from the journal in Postgres, or completes an older copy of it, with the queues of
 * all hosts, and exits. Services may run meanwhile, and go on by themselves then. May be repeated.
 */
await operatorCommand('restore-log', async ({ settings, data, log }) => {
  const { natsUrl: url, natsCredsFile: credsFile, natsReplicas: replicas, logBytes } = settings;
  const nats = await connectToNats({ url, credsFile, name: 'buckets-api-restore-log' });
  try {
    const jsm = await jetstreamManager(nats);
    const known = await new PositionRow(new TablesProjection()).readIfThere(data);
    await commandAlone(data, 'restore-log', async () => {
      // Claims that nobody has decided are gone with their stream: hosts have to be told of open operations again.
      const anew = (await streamInfo(jsm, STREAM.claims)) === null;
      const { onlyInLog, ...restored } = await restoreLog({
        ...{ nats, jsm, journal: new PostgresJournal(data) },
        known: known ?? { position: 0, identity: '', hash: '' },
        limits: { replicas, logBytes },
        onProgress: everySecond((progress) => log.info(progress, 'Restoring the log')),
      });
      if (onlyInLog.length > 0) {
        log.warn({ positions: onlyInLog }, 'The journal lacks what the log has there: rebuild the projections');
      }
      const queuesMadeFor = (await provisionHostQueues(jsm, data, { anew })).length;
      const { appended, seconds } = restored;
      const perSecond = appended === 0 ? 0 : Math.round(appended / seconds);
      log.info({ ...restored, perSecond, queuesMadeFor }, 'The log is as the tables know it');
    });
  } finally {
    await nats.close();
  }
});
