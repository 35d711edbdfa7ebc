import { jetstream, type JetStreamManager, type JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  parseSubject,
  STREAM,
  type LoggedEvent,
  type OperationEndedClaim,
  type ReceivedClaim,
  type UnreadableMessage,
} from '@buckets/contracts';
import { keepDeadLetter } from '@buckets/log';
import type { Logger } from '@buckets/service';
import type { Decider } from '../decisions/decider.js';
import { byHost } from '../decisions/turns.js';
import { endOperation, lookForClaim } from '../project-decisions/end-operation.js';

/** Of what is damaged, in a line of the log; the operation's result and the project tell more. */
const NAMED = 10;

/** Decides the claims of hosts: what was checked becomes a fact, what was not is stated as rejected. */
export class ClaimDesk {
  constructor(
    private readonly decider: Decider,
    private readonly nats: NatsConnection,
    private readonly jsm: JetStreamManager,
    private readonly log: Logger,
  ) {}

  /** Repeating a claim changes nothing: an operation ends once, and a backup is recorded once. */
  async operationEnded(claim: Extract<ReceivedClaim, { type: 'operation-ended' }>): Promise<void> {
    const { hostId, projectId, data, messageId } = claim;
    const { logged } = await this.decider.decideWithBackups(
      projectId,
      lookForClaim(data),
      (project) => endOperation(project, hostId, data satisfies OperationEndedClaim),
      { by: byHost(hostId), causationId: messageId, readsTables: false, readable: false },
    );
    const rejected = logged.find(({ type }) => type === 'claim-rejected');
    if (rejected !== undefined) this.log.warn({ hostId, projectId, rejected: rejected.data }, 'A claim was rejected');
    for (const event of logged) this.tellDamage(event, { hostId, projectId });
  }

  /** Each finding is stated once, however often it is claimed: so it is told once, too. */
  private tellDamage({ type, data }: LoggedEvent, about: { hostId: string; projectId: string }): void {
    if (type === 'repository-damaged') {
      const { operationId, total, first } = data;
      this.log.error({ ...about, operationId, total, first: first.slice(0, NAMED) }, 'A repository is damaged');
    } else if (type === 'backups-damaged') {
      const { operationId, backupIds } = data;
      const some = { total: backupIds.length, backupIds: backupIds.slice(0, NAMED) };
      this.log.error({ ...about, operationId, ...some }, 'Something of backups is lost');
    } else if (type === 'repository-mended') {
      this.log.info(about, 'A repository was mended');
    }
  }

  /** A claim that nobody can read changes nothing, and is kept for people to look at. */
  async unreadableClaim({ seq, subject, data }: JsMsg, { reason }: UnreadableMessage): Promise<void> {
    const parsed = parseSubject(subject);
    const hostId = parsed?.family === 'claim' ? { hostId: parsed.hostId } : {};
    this.log.error({ ...hostId, position: seq, reason }, 'A claim cannot be read');
    const letter = { stream: STREAM.claims, position: seq, subject, reason, bytes: data };
    await keepDeadLetter(jetstream(this.nats), { source: 'claims', ...hostId }, letter);
  }

  /** A host cannot write dead letters itself: it tells where its intent stands, and that is kept from there. */
  async unreadableIntent({ hostId, data }: Extract<ReceivedClaim, { type: 'unreadable-intent' }>): Promise<void> {
    const { position, reason } = data;
    const message = await this.jsm.streams.getMessage(STREAM.log, { seq: position });
    const parsed = message === null ? null : parseSubject(message.subject);
    if (message === null || parsed?.family !== 'intent' || parsed.hostId !== hostId) {
      this.log.warn({ hostId, position }, 'A host cannot read what is no intent of its own');
      return;
    }
    this.log.error({ hostId, position, reason }, 'A host cannot read an intent');
    const letter = { stream: STREAM.log, position, subject: message.subject, reason, bytes: message.data };
    await keepDeadLetter(jetstream(this.nats), { source: 'intents', hostId }, letter);
  }
}
