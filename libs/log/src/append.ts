import type { JetStreamManager, SeqMsgRequest } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import {
  encode,
  envelope,
  eventTypeName,
  intentTypeName,
  newMessageId,
  readEvent,
  readIntent,
  STREAM,
  subjects,
  type LoggedEvent,
  type NewEvent,
  type NewIntent,
} from '@buckets/contracts';
import { Backoff } from '@buckets/patience';
import { LogMismatch, LogRefused, LogUnreachable, PositionMoved } from './errors.js';
import { GroupCommit } from './group-commit.js';
import { REFUSED, type Publishable, type PublishReply } from './publish-together.js';

/** One decision: facts about one thing, and the intents that follow from them. */
export interface Decision {
  thing: NewEvent['thing'];
  id: string;
  /** The position of the thing's last event that was decided on; 0 for a thing that is new. */
  expected: number;
  events: readonly NewEvent[];
  intents?: readonly NewIntent[];
  operationId?: string;
  causationId?: string;
}

interface Entry {
  subject: string;
  messageId: string;
  bytes: Uint8Array;
}

const PUBLISH_TIMEOUT_MS = 2_000;
const MAX_TRIES = 3;
const BETWEEN_TRIES = new Backoff({ firstMs: 50, maxMs: 500 });

/** The only way into the log. */
export class Log {
  private readonly commits: GroupCommit;

  constructor(
    nats: NatsConnection,
    private readonly jsm: JetStreamManager,
    private readonly source: string,
    /** Resolves when this is known to be the log to append to. It is asked before each try. */
    private readonly isKnown: () => Promise<void> = async () => undefined,
  ) {
    this.commits = new GroupCommit(nats, PUBLISH_TIMEOUT_MS);
  }

  /**
   * Appends a decision whole or not at all, and only if nothing has been appended to the thing since `expected`.
   * Message ids are kept over retries, so a repeated publish never stores anything twice.
   *
   * @returns the events with their positions
   * @throws {UnreadableMessage} {MessageTooLarge} {UnstorableText} nothing was sent that no reader could take
   * @throws {PositionMoved} decide again
   * @throws {LogRefused} the log is full
   * @throws {LogUnreachable} the outcome is unknown
   * @throws {LogMismatch} this is not the log that the tables know
   */
  async append(decision: Decision): Promise<LoggedEvent[]> {
    if (decision.events.length === 0) throw new RangeError('A decision without a fact has nothing to append.');
    const time = new Date();
    const entries = this.entries(decision, time);
    const last = await this.publish(decision, entries);
    const first = last - entries.length + 1;
    return decision.events.map(
      (event, index) =>
        ({
          ...event,
          id: decision.id,
          position: first + index,
          messageId: entries[index]!.messageId,
          time: time.toISOString(),
        }) as LoggedEvent,
    );
  }

  private async publish(decision: Decision, entries: Entry[]): Promise<number> {
    let failure: unknown;
    for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
      try {
        await this.isKnown();
        return await this.publishOnce(decision, entries);
      } catch (error) {
        if (isAnswer(error)) throw error;
        failure = error;
        if (attempt < MAX_TRIES) await BETWEEN_TRIES.pause(attempt);
      }
    }
    throw new LogUnreachable(failure);
  }

  private async publishOnce(decision: Decision, entries: Entry[]): Promise<number> {
    const messages = entries.map(publishable);
    const { header } = messages[0]!;
    header.set('Nats-Expected-Last-Subject-Sequence', String(decision.expected));
    header.set('Nats-Expected-Last-Subject-Sequence-Subject', subjects.eventsOf(decision.thing, decision.id));
    return this.settle(decision, entries, await this.commits.publish(messages));
  }

  private async settle(decision: Decision, entries: Entry[], reply: PublishReply): Promise<number> {
    const code = reply.error?.err_code;
    if (code === undefined && reply.duplicate !== true && reply.seq !== undefined) return reply.seq;
    if (
      reply.duplicate === true ||
      code === REFUSED.wrongLastSequence ||
      code === REFUSED.wrongLastSequenceUnknown ||
      code === REFUSED.duplicateInBatch
    ) {
      return this.readBack(decision, entries);
    }
    const reason = reply.error?.description ?? 'an answer that is not understood';
    if (REFUSED.full.some((full) => full === code)) throw new LogRefused(reason);
    throw new Error(`The log answered: ${reason} (${code ?? 'no code'}).`);
  }

  /**
   * A check that failed may be one that an earlier try of ours has passed: whoever won position `expected` is the
   * first message of the thing after it, so that message's id tells whose it was. Works on one replica and on
   * three, within the server's window for duplicates and after it.
   */
  private async readBack(decision: Decision, entries: Entry[]): Promise<number> {
    const firstAfter: SeqMsgRequest & { next_by_subj: string } = {
      seq: decision.expected + 1,
      next_by_subj: subjects.eventsOf(decision.thing, decision.id),
    };
    const winner = await this.jsm.streams.getMessage(STREAM.log, firstAfter);
    if (winner?.header.get('Nats-Msg-Id') === entries[0]!.messageId) return winner.seq + entries.length - 1;
    throw new PositionMoved(decision.thing, decision.id, decision.expected);
  }

  private entries(decision: Decision, time: Date): Entry[] {
    const common = {
      source: this.source,
      time,
      ...(decision.operationId === undefined ? {} : { operationId: decision.operationId }),
      ...(decision.causationId === undefined ? {} : { causationId: decision.causationId }),
    };
    const facts = decision.events.map((event) =>
      entry(subjects.event(event.thing, decision.id, event.type), {
        ...common,
        type: eventTypeName(event.thing, event.type),
        subject: `${event.thing}/${decision.id}`,
        data: event.data,
      }),
    );
    const intents = (decision.intents ?? []).map((intent) =>
      entry(subjects.intent(intent.hostId, intent.projectId, intent.kind), {
        ...common,
        operationId: intent.data.operationId,
        type: intentTypeName(intent.kind),
        subject: `host/${intent.hostId}/project/${intent.projectId}`,
        data: intent.data,
      }),
    );
    // What cannot be read would stop every projection: it never gets in.
    for (const { subject, bytes } of facts) readEvent(subject, bytes, 0);
    for (const { subject, bytes } of intents) readIntent(subject, bytes);
    return [...facts, ...intents];
  }
}

/** Whether trying again makes no difference. */
function isAnswer(error: unknown): boolean {
  return error instanceof LogRefused || error instanceof PositionMoved || error instanceof LogMismatch;
}

function entry(subject: string, fields: Parameters<typeof envelope>[0] & { data: unknown }): Entry {
  const { data, ...rest } = fields;
  const message = envelope({ ...rest, id: newMessageId() }, data);
  return { subject, messageId: message.id, bytes: encode(message) };
}

function publishable({ subject, bytes, messageId }: Entry): Publishable {
  const header = headers();
  header.set('Nats-Msg-Id', messageId);
  header.set('Nats-Expected-Stream', STREAM.log);
  return { subject, bytes, header };
}
