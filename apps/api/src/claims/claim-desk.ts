import type { OperationEndedClaim, ReceivedClaim } from '@buckets/contracts';
import type { Logger } from '@buckets/service';
import type { Decider } from '../decisions/decider.js';
import { endOperation } from '../projects/decide.js';

/** Decides the claims of hosts: what was checked becomes a fact, what was not is stated as rejected. */
export class ClaimDesk {
  constructor(
    private readonly decider: Decider,
    private readonly log: Logger,
  ) {}

  /** Repeating a claim changes nothing: an operation ends once, and a backup is recorded once. */
  async operationEnded(claim: Extract<ReceivedClaim, { type: 'operation-ended' }>): Promise<void> {
    const { hostId, projectId, data, messageId } = claim;
    const { logged } = await this.decider.decide(
      'project',
      projectId,
      (state) => endOperation(state, projectId, hostId, data satisfies OperationEndedClaim),
      { causationId: messageId },
    );
    const rejected = logged.find(({ type }) => type === 'claim-rejected');
    if (rejected !== undefined) this.log.warn({ hostId, projectId, rejected: rejected.data }, 'A claim was rejected');
  }
}
