import { jetstream, type JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { MicroserviceOptions } from '@nestjs/microservices';
import {
  hostConsumer,
  NO_PROJECT,
  readIntent,
  STREAM,
  type ReceivedIntent,
  type UnreadableMessage,
} from '@buckets/contracts';
import { PullServer } from '@buckets/log';
import { LOGGER, runService, Stopping, type Logger } from '@buckets/service';
import { ControlPlane } from './control-plane/control-plane.js';
import { workerSettings } from './settings.js';
import { NATS, WorkerModule } from './worker.module.js';

/** More than this wait in the stream. */
const INTENTS_AT_ONCE = 500;

await runService({
  name: 'backup-worker',
  settings: workerSettings,
  module: (settings) => WorkerModule.with(settings),
  prepare: (app) => {
    const connection = app.get<NatsConnection>(NATS);
    const log = app.get<Logger>(LOGGER);
    const { signal } = app.get(Stopping);
    const hostId = process.env['BUCKETS_HOST_ID']!;
    const controlPlane = new ControlPlane(connection, hostId, log);
    const unreadable = async ({ seq, subject }: JsMsg, { reason }: UnreadableMessage) => {
      log.error({ position: seq, subject, reason }, 'An intent cannot be read');
      const data = { position: seq, intentSubject: subject, reason: reason.slice(0, 2000) };
      await controlPlane.claim({ type: 'unreadable-intent', projectId: NO_PROJECT, data }, signal);
    };
    const work = {
      stream: STREAM.log,
      consumer: hostConsumer.work(hostId),
      read: readIntent,
      pattern: (intent: ReceivedIntent) => intent.kind,
      unreadable,
      atOnce: INTENTS_AT_ONCE,
    };
    const js = jetstream(connection, { apiPrefix: 'CP.API' });
    app.connectMicroservice<MicroserviceOptions>({ strategy: new PullServer<ReceivedIntent>(js, [work], log) });
  },
});
