import {
  DeliverPolicy,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream';
import { headers, type MsgHdrs } from '@nats-io/transport-node';
import { decode, encode, newMessageId, readIntent, STREAM, subjects } from '@buckets/contracts';
import { LogRefused, LogUnreachable, PositionMoved } from './errors.js';

/** A message that nobody could read, kept whole beside where it came from and why. */
export interface DeadLetter {
  /** The stream it was read from. */
  stream: string;
  /** Its sequence there. */
  position: number;
  subject: string;
  reason: string;
  bytes: Uint8Array;
}

/** A dead letter as it is kept, without its content. */
export interface KeptLetter extends Omit<DeadLetter, 'bytes'> {
  /** Its sequence among the dead letters. */
  id: number;
  /** Bytes of its content. */
  size: number;
  /** When it was put here; RFC 3339. */
  at: string;
  /** The host that sent the message, or that it was for. */
  hostId?: string;
}

const HEADER = {
  stream: 'Buckets-Stream',
  position: 'Buckets-Position',
  subject: 'Buckets-Subject',
  reason: 'Buckets-Reason',
} as const;

/** Keeps a message that cannot be read: it is never dropped in silence. Of one and the same, one is kept. */
export async function keepDeadLetter(
  js: JetStreamClient,
  { source, hostId }: { source: string; hostId?: string },
  letter: DeadLetter,
): Promise<void> {
  const { stream, position } = letter;
  const header = headers();
  header.set(HEADER.stream, stream);
  header.set(HEADER.position, String(position));
  header.set(HEADER.subject, oneLine(letter.subject));
  header.set(HEADER.reason, oneLine(letter.reason));
  const subject = subjects.deadLetter(source, hostId);
  await js.publish(subject, letter.bytes, { msgID: `${stream}-${position}`, headers: header });
}

/** Text from elsewhere, as a header can hold it. */
function oneLine(text: string): string {
  return text
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 2000);
}

const FETCH_WITHIN_MS = 2_000;
const PUBLISH_WITHIN_MS = 2_000;
const WRONG_LAST_SEQUENCE = 10071;

/** The messages that could not be read, for people to look at and to decide on. */
export class DeadLetters {
  constructor(
    private readonly js: JetStreamClient,
    private readonly jsm: JetStreamManager,
  ) {}

  /** How many there are. */
  async count(): Promise<number> {
    return (await this.jsm.streams.info(STREAM.deadLetters)).state.messages;
  }

  /** Some of those before an id, the newest first. */
  async list({ before = Infinity, limit }: { before?: number; limit: number }): Promise<KeptLetter[]> {
    const { state } = await this.jsm.streams.info(STREAM.deadLetters, { deleted_details: true });
    const removed = new Set(state.deleted);
    const wanted: number[] = [];
    for (let id = Math.min(before - 1, state.last_seq); id >= state.first_seq && wanted.length < limit; id--) {
      if (!removed.has(id)) wanted.push(id);
    }
    const oldest = wanted.at(-1);
    if (oldest === undefined) return [];
    const found = await this.from(oldest, wanted.length);
    return found.filter(({ id }) => wanted.includes(id)).toReversed();
  }

  /** One of them, whole; null when there is none of that id. */
  async read(id: number): Promise<(KeptLetter & { bytes: Uint8Array }) | null> {
    const message = await this.jsm.streams.getMessage(STREAM.deadLetters, { seq: id });
    if (message === null) return null;
    const { subject, header, data, time } = message;
    return { ...kept(id, subject, header), size: data.length, at: time.toISOString(), bytes: data };
  }

  /** Removes one for good; false when it is gone already. */
  async remove(id: number): Promise<boolean> {
    if ((await this.jsm.streams.getMessage(STREAM.deadLetters, { seq: id })) === null) return false;
    return this.jsm.streams.deleteMessage(STREAM.deadLetters, id);
  }

  /**
   * Sends an intent to its host once more, as a message of its own, if nothing has been stated of its project since a
   * position.
   *
   * @returns its position in the log
   * @throws {UnreadableMessage} when it is no intent that this version knows
   * @throws {PositionMoved} decide again
   * @throws {LogRefused} the log is full
   * @throws {LogUnreachable} the outcome is unknown; a host does not do the same thing twice
   */
  async sendAgain({ subject, bytes }: Pick<DeadLetter, 'subject' | 'bytes'>, expected: number): Promise<number> {
    const { projectId } = readIntent(subject, bytes);
    const before = decode(subject, bytes);
    const id = newMessageId();
    const message = { ...before, id, time: new Date().toISOString(), causationid: before.id };
    try {
      const { seq } = await this.js.publish(subject, encode(message), {
        msgID: id,
        timeout: PUBLISH_WITHIN_MS,
        expect: {
          streamName: STREAM.log,
          lastSubjectSequence: expected,
          lastSubjectSequenceSubject: subjects.eventsOf('project', projectId),
        },
      });
      return seq;
    } catch (error) {
      if (!(error instanceof JetStreamApiError)) throw new LogUnreachable(error);
      if (error.code === WRONG_LAST_SEQUENCE) throw new PositionMoved('project', projectId, expected);
      throw new LogRefused(error.message);
    }
  }

  private async from(first: number, count: number): Promise<KeptLetter[]> {
    const consumer = await this.js.consumers.get(STREAM.deadLetters, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: first,
      headers_only: true,
    });
    const found: KeptLetter[] = [];
    for await (const message of await consumer.fetch({ max_messages: count, expires: FETCH_WITHIN_MS })) {
      found.push(withoutContent(message));
      if (found.length === count) break;
    }
    await consumer.delete();
    return found;
  }
}

function withoutContent({ seq, subject, headers: header = headers(), time }: JsMsg): KeptLetter {
  return { ...kept(seq, subject, header), size: Number(header.get('Nats-Msg-Size')), at: time.toISOString() };
}

function kept(id: number, subject: string, header: MsgHdrs): Omit<KeptLetter, 'size' | 'at'> {
  const [, , , hostId] = subject.split('.');
  return {
    id,
    stream: header.get(HEADER.stream),
    position: Number(header.get(HEADER.position)),
    subject: header.get(HEADER.subject),
    reason: header.get(HEADER.reason),
    ...(hostId === undefined ? {} : { hostId }),
  };
}
