import { jetstream, type JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { INestApplicationContext } from '@nestjs/common';
import { CLAIMS_CONSUMER, readClaim, STREAM, type ReceivedClaim, type UnreadableMessage } from '@buckets/contracts';
import { PullServer } from '@buckets/log';
import { HealthChecks, LOGGER, type Logger } from '@buckets/service';
import { mayPass } from '../problems/may-pass.js';
import { NATS } from '../wiring/tokens.js';
import { ClaimDesk } from './claim-desk.js';

const AT_ONCE = 64;

/** Brings the claims of all hosts to their controller. What can never be decided goes to the dead letters. */
export function claimsServer(app: INestApplicationContext): PullServer<ReceivedClaim> {
  const desk = app.get(ClaimDesk);
  const claims = {
    stream: STREAM.claims,
    consumer: CLAIMS_CONSUMER,
    read: readClaim,
    pattern: (claim: ReceivedClaim) => claim.type,
    unreadable: (delivery: JsMsg, error: UnreadableMessage) => desk.unreadableClaim(delivery, error),
    mayPass,
    atOnce: AT_ONCE,
    isShort: true,
  };
  const server = new PullServer<ReceivedClaim>(
    jetstream(app.get<NatsConnection>(NATS)),
    [claims],
    app.get<Logger>(LOGGER),
  );
  app.get(HealthChecks).register({ name: 'claims', check: async () => server.check() });
  return server;
}
