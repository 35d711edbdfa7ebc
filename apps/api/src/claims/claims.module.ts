import { Module } from '@nestjs/common';
import { LOGGER } from '@buckets/service';
import { Decider } from '../decisions/decider.js';
import { DecisionsModule } from '../decisions/decisions.module.js';
import { provided } from '../wiring/provided.js';
import { JETSTREAM, NATS } from '../wiring/tokens.js';
import { ClaimDesk } from './claim-desk.js';
import { ClaimsController } from './claims.controller.js';

/** What hosts claim to have done. */
@Module({
  imports: [DecisionsModule],
  controllers: [ClaimsController],
  providers: [provided(ClaimDesk, Decider, NATS, JETSTREAM, LOGGER)],
  exports: [ClaimDesk],
})
export class ClaimsModule {}
