import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, Payload, RpcException } from '@nestjs/microservices';
import { WORK_KINDS, type OperationKind, type ReceivedIntent } from '@buckets/contracts';
import { Delivery, isCutOff } from '@buckets/log';
import { Operations } from './operations.js';

type WorkIntent = Extract<ReceivedIntent, { kind: OperationKind }>;
type CancelIntent = Extract<ReceivedIntent, { kind: 'cancel' }>;

/** Where this host's intents come in. The project's queue gives them their order; each kind has a work of its own. */
@Controller()
export class IntentsController {
  constructor(private readonly operations: Operations) {}

  @EventPattern<readonly string[]>([...WORK_KINDS])
  async work(@Payload() intent: WorkIntent, @Ctx() delivery: Delivery): Promise<void> {
    await this.operations.carryOut(intent, delivery.position, delivery.redelivered).catch((error: unknown) => {
      // To be cut off by a stop is no error; Nest logs all others than these as such.
      throw isCutOff(error) ? new RpcException(error as Error) : error;
    });
  }

  /** What is not in hand here needs none: whoever takes its work up later learns of the cancel with the grant. */
  @EventPattern('cancel')
  cancel(@Payload() { data }: CancelIntent): void {
    this.operations.cancel(data.operationId);
  }
}
