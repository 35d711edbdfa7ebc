import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { STREAM, type OperationEndedClaim, type ReceivedClaim } from '@buckets/contracts';
import { keepDeadLetter } from '@buckets/log';
import type { Logger } from '@buckets/service';
import type { Decider } from '../decisions/decider.js';
import { endOperation } from '../projects/decide.js';

/** Decides the claims of hosts: what was checked becomes a fact, what was not is stated as rejected. */
export class ClaimDesk {
  constructor(
    private readonly decider: Decider,
    private readonly nats: NatsConnection,
    private readonly log: Logger,
  ) {}

  /** Repeating a claim changes nothing: an operation ends once, and a backup is recorded once. */
  async operationEnded(claim: Extract<ReceivedClaim, { type: 'operation-ended' }>): Promise<void> {
    const { hostId, projectId, data, messageId } = claim;
    const { logged } = await this.decider.decide(
      'project',
      projectId,
      (state) => endOperation(state, projectId, hostId, data satisfies OperationEndedClaim),
      { causationId: messageId, readable: false },
    );
    const rejected = logged.find(({ type }) => type === 'claim-rejected');
    if (rejected !== undefined) this.log.warn({ hostId, projectId, rejected: rejected.data }, 'A claim was rejected');
  }

  /** A host cannot write dead letters itself: it tells where the intent stands, and the intent is kept from there. */
  async unreadableIntent(claim: Extract<ReceivedClaim, { type: 'unreadable-intent' }>): Promise<void> {
    const { position, intentSubject, reason } = claim.data;
    this.log.error({ hostId: claim.hostId, position, reason }, 'A host cannot read an intent');
    await keepDeadLetter(jetstream(this.nats), `host-${claim.hostId}`, {
      stream: STREAM.log,
      position,
      subject: intentSubject,
      reason,
      bytes: Buffer.alloc(0),
    });
  }
}
