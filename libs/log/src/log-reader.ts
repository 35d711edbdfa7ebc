import {
  AckPolicy,
  DeliverPolicy,
  type ConsumerMessages,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { STREAM } from '@buckets/contracts';
import { LogGap } from './errors.js';
import type { LogMessage } from './projection.js';

export interface ReadOptions {
  /** The first position that is wanted. */
  from: number;
  /** The last position that is wanted; without it the reading goes on with what is appended. */
  to?: number;
  /** Ends the reading; what has been handed over stays valid. */
  signal: AbortSignal;
  /** Messages handed over at once, and kept ahead, at most; default 500. Asked before each batch. */
  atOnce?: () => number;
  /** Bytes of messages handed over at once, at most, where that is more than one message; default 4 MiB. */
  atOnceBytes?: number;
}

export const AT_ONCE = 500;
const AT_ONCE_BYTES = 4 * 1024 ** 2;
/** Nothing more is fetched while so many bytes are kept ahead; what is fetched next is meant to stay below it as well. */
const AHEAD_BYTES = 8 * 1024 ** 2;
const FETCH_EXPIRES_MS = 5_000;
/** A reader that has died leaves nothing behind for longer. */
const INACTIVE_MS = 60_000;

/**
 * Reads the log in order and without a hole, in batches of whatever has come in meanwhile: single messages while they
 * trickle, hundreds while it catches up. Reads ahead by one batch, never more, however slow its user is.
 *
 * @throws {LogGap} when messages are missing; what NATS throws when it or the reader's place in it is gone
 */
export async function* readLog(
  js: JetStreamClient,
  jsm: JetStreamManager,
  { from, to = Number.MAX_SAFE_INTEGER, signal, atOnce = () => AT_ONCE, atOnceBytes = AT_ONCE_BYTES }: ReadOptions,
): AsyncGenerator<LogMessage[]> {
  const { name } = await jsm.consumers.add(STREAM.log, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: from,
    inactive_threshold: nanos(INACTIVE_MS),
    mem_storage: true,
    num_replicas: 1,
  });
  const consumer = await js.consumers.get(STREAM.log, name);
  const fetch = (max: number) => consumer.fetch({ max_messages: max, expires: FETCH_EXPIRES_MS });
  const ahead = new Ahead(fetch, { atOnce, atOnceBytes }, signal);
  try {
    for (let next = from; next <= to;) {
      const batch = await ahead.take();
      if (batch === null) return;
      const wanted: JsMsg[] = [];
      for (const message of batch) {
        const { seq } = message;
        // What was handed over comes again when the server that knew the reader's place has died.
        if (seq < next || seq > to) continue;
        if (seq > next) throw await gap(jsm, next, seq);
        next++;
        wanted.push(message);
      }
      if (wanted.length > 0) yield wanted.map(asStored);
    }
  } finally {
    await ahead.close();
    // It would go by itself; whoever is being cut off has other worries.
    await jsm.consumers.delete(STREAM.log, name).catch(() => undefined);
  }
}

/** Messages that were on their way when the connection broke do not come again: then it takes another reading. */
async function gap(jsm: JetStreamManager, missing: number, found: number): Promise<Error> {
  const message = await jsm.streams.getMessage(STREAM.log, { seq: missing });
  return message === null
    ? new LogGap(missing, found)
    : new Error(`Message ${missing} of the log was not delivered, ${found} was.`);
}

/** Fetches ahead of whoever takes, by one batch at most. */
class Ahead {
  private readonly arrived: JsMsg[] = [];
  private arrivedBytes = 0;
  private readonly fetching: Promise<void>;
  private change = Promise.withResolvers<void>();
  private open: ConsumerMessages | undefined;
  private ended = false;
  private failure: Error | undefined;

  constructor(
    private readonly fetch: (max: number) => Promise<ConsumerMessages>,
    private readonly most: Required<Pick<ReadOptions, 'atOnce' | 'atOnceBytes'>>,
    private readonly signal: AbortSignal,
  ) {
    signal.addEventListener('abort', this.cut);
    this.fetching = this.fetchOn();
  }

  /** All that has arrived, as far as it may be taken at once, when there is something; null once the reading was ended. */
  async take(): Promise<JsMsg[] | null> {
    while (!this.signal.aborted) {
      if (this.arrived.length > 0) {
        const taken = this.arrived.splice(0, this.countOfBatch());
        this.arrivedBytes -= bytesOf(taken);
        this.changed();
        return taken;
      }
      if (this.failure !== undefined) throw this.failure;
      if (this.ended) return null;
      await this.change.promise;
    }
    return null;
  }

  private countOfBatch(): number {
    const { atOnce, atOnceBytes } = this.most;
    let bytes = 0;
    const tooMuch = this.arrived.findIndex(({ data }) => (bytes += data.length) > atOnceBytes);
    return Math.max(1, Math.min(atOnce(), tooMuch === -1 ? this.arrived.length : tooMuch));
  }

  async close(): Promise<void> {
    this.ended = true;
    this.cut();
    this.signal.removeEventListener('abort', this.cut);
    await this.fetching;
  }

  private readonly cut = (): void => {
    this.open?.stop();
    this.changed();
  };

  private async fetchOn(): Promise<void> {
    let meanBytes = 1024;
    try {
      while (!this.ended && !this.signal.aborted) {
        const most = this.most.atOnce();
        if (this.arrived.length >= most || this.arrivedBytes >= AHEAD_BYTES) {
          await this.change.promise;
          continue;
        }
        const room = Math.round(AHEAD_BYTES / meanBytes);
        this.open = await this.fetch(Math.max(8, Math.min(most, room)));
        if (this.ended || this.signal.aborted) this.open.stop();
        for await (const message of this.open) {
          meanBytes = 0.9 * meanBytes + 0.1 * message.data.length;
          this.arrived.push(message);
          this.arrivedBytes += message.data.length;
          this.changed();
        }
      }
    } catch (error) {
      this.failure = error as Error;
    } finally {
      this.ended = true;
      this.changed();
    }
  }

  private changed(): void {
    this.change.resolve();
    this.change = Promise.withResolvers();
  }
}

function bytesOf(messages: readonly JsMsg[]): number {
  return messages.reduce((sum, { data }) => sum + data.length, 0);
}

function asStored(message: JsMsg): LogMessage {
  const headers: Record<string, string> = {};
  for (const [key, values] of message.headers ?? []) headers[key] = values.join(',');
  return {
    position: message.seq,
    subject: message.subject,
    bytes: message.data,
    headers,
    storedAt: message.timestamp,
  };
}
