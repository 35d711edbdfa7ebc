import { jetstream, type JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { CLAIMS_CONSUMER, readClaim, STREAM, type ReceivedClaim, type UnreadableMessage } from '@buckets/contracts';
import { PullServer } from '@buckets/log';
import { LOGGER, mountOpenApi, runService, type Logger } from '@buckets/service';
import { ApiModule } from './api.module.js';
import { ClaimDesk } from './claims/claim-desk.js';
import { problemOf } from './problems/problem-of.js';
import { apiSettings } from './settings.js';
import { NATS } from './wiring/tokens.js';

const CLAIMS_AT_ONCE = 64;

await runService({
  name: 'api',
  settings: apiSettings,
  module: (settings) => ApiModule.with(settings),
  translate: problemOf,
  bodies: { isRaw: ({ method, path }) => method === 'PUT' && /^\/v1\/projects\/[^/]+\/files\/?$/.test(path) },
  prepare: async (app) => {
    await mountOpenApi(app, {
      title: 'Buckets',
      version: '1',
      description: 'Keeps the projects of a fleet of hosts safe in object storage.',
    });
    const js = jetstream(app.get<NatsConnection>(NATS));
    const desk = app.get(ClaimDesk);
    const claims = {
      stream: STREAM.claims,
      consumer: CLAIMS_CONSUMER,
      read: readClaim,
      pattern: (claim: ReceivedClaim) => claim.type,
      unreadable: (delivery: JsMsg, error: UnreadableMessage) => desk.unreadableClaim(delivery, error),
      atOnce: CLAIMS_AT_ONCE,
    };
    const strategy = new PullServer<ReceivedClaim>(js, [claims], app.get<Logger>(LOGGER));
    app.connectMicroservice<MicroserviceOptions>({ strategy });
  },
});
