import type { Provider } from '@nestjs/common';
import { jetstream, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { DeadLetters } from '@buckets/log';
import { HealthChecks, LOGGER, type Logger } from '@buckets/service';
import { Registry } from 'prom-client';
import { DataSource } from 'typeorm';
import { ClaimDesk } from '../claims/claim-desk.js';
import { Decider } from '../decisions/decider.js';
import { JETSTREAM, NATS } from '../wiring/tokens.js';
import { DeadLetterDesk } from './dead-letter-desk.js';
import { noticeDeadLetters } from './dead-letter-notice.js';

export const deadLetterProviders: Provider[] = [
  {
    provide: DeadLetters,
    useFactory: (nats: NatsConnection, jsm: JetStreamManager, health: HealthChecks, registry: Registry) => {
      const letters = new DeadLetters(jetstream(nats), jsm);
      noticeDeadLetters(letters, health, registry);
      return letters;
    },
    inject: [NATS, JETSTREAM, HealthChecks, Registry],
  },
  {
    provide: DeadLetterDesk,
    useFactory: (letters: DeadLetters, claims: ClaimDesk, decider: Decider, data: DataSource, log: Logger) =>
      new DeadLetterDesk(letters, claims, decider, data, log),
    inject: [DeadLetters, ClaimDesk, Decider, DataSource, LOGGER],
  },
];
