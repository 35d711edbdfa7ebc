import { Module } from '@nestjs/common';
import { jetstream, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { DeadLetters } from '@buckets/log';
import { HealthChecks, LOGGER } from '@buckets/service';
import { Registry } from 'prom-client';
import { DataSource } from 'typeorm';
import { ClaimDesk } from '../claims/claim-desk.js';
import { ClaimsModule } from '../claims/claims.module.js';
import { Decider } from '../decisions/decider.js';
import { DecisionsModule } from '../decisions/decisions.module.js';
import { provided } from '../wiring/provided.js';
import { JETSTREAM, NATS } from '../wiring/tokens.js';
import { DeadLetterDesk } from './dead-letter-desk.js';
import { noticeDeadLetters } from './dead-letter-notice.js';
import { DeadLettersController } from './dead-letters.controller.js';

/** What could not be read: shown, replayed, discarded. */
@Module({
  imports: [DecisionsModule, ClaimsModule],
  controllers: [DeadLettersController],
  providers: [
    {
      provide: DeadLetters,
      useFactory: (nats: NatsConnection, jsm: JetStreamManager, health: HealthChecks, registry: Registry) => {
        const letters = new DeadLetters(jetstream(nats), jsm);
        noticeDeadLetters(letters, health, registry);
        return letters;
      },
      inject: [NATS, JETSTREAM, HealthChecks, Registry],
    },
    provided(DeadLetterDesk, DeadLetters, ClaimDesk, Decider, DataSource, LOGGER),
  ],
})
export class DeadLettersModule {}
