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
import { HealthChecks, LOGGER, runService, Stopping, type Logger } from '@buckets/service';
import { ControlPlane } from './control-plane/control-plane.js';
import { workerSettings } from './settings.js';
import { NATS, WorkerModule } from './worker.module.js';

/** More than this wait in the stream. */
const INTENTS_AT_ONCE = 500;
const CANCELS_AT_ONCE = 100;

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
    const intents = {
      stream: STREAM.log,
      read: readIntent,
      pattern: (intent: ReceivedIntent) => intent.kind,
      unreadable,
    };
    const work = { ...intents, consumer: hostConsumer.work(hostId), atOnce: INTENTS_AT_ONCE };
    // However much work there is: a cancel never waits behind what it cancels.
    const cancels = { ...intents, consumer: hostConsumer.cancel(hostId), atOnce: CANCELS_AT_ONCE, isShort: true };
    const js = jetstream(connection, { apiPrefix: 'CP.API' });
    const strategy = new PullServer<ReceivedIntent>(js, [work, cancels], log);
    app.get(HealthChecks).register({ name: 'intents', check: async () => strategy.check() });
    app.connectMicroservice<MicroserviceOptions>({ strategy });
  },
});
