import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { WORK_KINDS, type OperationKind, type ReceivedIntent } from '@buckets/contracts';
import { CUT_OFF, Delivery, isCutOff } from '@buckets/log';
import { Operations } from './operations.js';

type WorkIntent = Extract<ReceivedIntent, { kind: OperationKind }>;
type CancelIntent = Extract<ReceivedIntent, { kind: 'cancel' }>;

/** Where this host's intents come in. The project's queue gives them their order; each kind has a work of its own. */
@Controller()
export class IntentsController {
  constructor(private readonly operations: Operations) {}

  @EventPattern<readonly string[]>([...WORK_KINDS])
  async work(@Payload() intent: WorkIntent, @Ctx() delivery: Delivery): Promise<unknown> {
    try {
      await this.operations.carryOut(intent, delivery.position, delivery.redelivered);
      return undefined;
    } catch (error) {
      if (isCutOff(error)) return CUT_OFF;
      throw error;
    }
  }

  /** What is not in hand here needs none: whoever takes its work up later learns of the cancel with the grant. */
  @EventPattern('cancel')
  cancel(@Payload() { data }: CancelIntent): void {
    this.operations.cancel(data.operationId);
  }
}
