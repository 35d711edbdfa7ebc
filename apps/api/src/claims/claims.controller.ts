import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { ReceivedClaim } from '@buckets/contracts';
import { Open } from '../access/access.js';
import { ClaimDesk } from './claim-desk.js';

/** Where the claims of hosts come in, from the stream that they share. */
@Open()
@Controller()
export class ClaimsController {
  constructor(private readonly desk: ClaimDesk) {}

  @EventPattern<string>('operation-ended')
  async operationEnded(@Payload() claim: Extract<ReceivedClaim, { type: 'operation-ended' }>): Promise<void> {
    await this.desk.operationEnded(claim);
  }

  @EventPattern<string>('unreadable-intent')
  async unreadableIntent(@Payload() claim: Extract<ReceivedClaim, { type: 'unreadable-intent' }>): Promise<void> {
    await this.desk.unreadableIntent(claim);
  }
}
