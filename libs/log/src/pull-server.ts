import { Server, type CustomTransportStrategy, BaseRpcContext } from '@nestjs/microservices';
import type { ConsumerMessages, JetStreamClient, JsMsg } from '@nats-io/jetstream';
import { isObservable, lastValueFrom } from 'rxjs';
import { UnreadableMessage } from '@buckets/contracts';
import { Backoff } from '@buckets/patience';
import { News } from './news.js';
import { ACK_WAIT_MS } from './streams.js';

/** What a handler may know of the delivery that it works on. */
export class Delivery extends BaseRpcContext<[JsMsg]> {
  get subject(): string {
    return this.getArgs()[0].subject;
  }
  /** The message's sequence in its stream. */
  get position(): number {
    return this.getArgs()[0].seq;
  }
  get redelivered(): boolean {
    return this.getArgs()[0].redelivered;
  }
}

export interface PullSource<Message> {
  stream: string;
  /** The name of a durable consumer with explicit acknowledgement. */
  consumer: string;
  /** Reads a message. Throws {@link UnreadableMessage}. */
  read: (subject: string, bytes: Uint8Array) => Message;
  /** The pattern of the handler, as in `@EventPattern`. */
  pattern: (message: Message) => string;
  /** Keeps what cannot be read; the message is given up only after this has succeeded. */
  unreadable: (delivery: JsMsg, error: UnreadableMessage) => Promise<void>;
  /** Deliveries in work at once. */
  atOnce: number;
}

export interface PullServerLogger {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Failed deliveries come back after these pauses, the last one over and over; milliseconds. */
const RETRY_PAUSES_MS = [200, 1_000, 5_000, 15_000];
const HEARTBEAT_MS = ACK_WAIT_MS / 3;
const PULL_EXPIRES_MS = 30_000;
/** A server that says nothing for twice as long is gone, though another one of its cluster may hold the connection. */
const PULL_HEARTBEAT_MS = 2_000;
const PULL_AGAIN = new Backoff({ firstMs: 250, maxMs: 5_000 });

/**
 * Nest's way in for durable pull consumers. A message is acknowledged when its handler has finished, kept alive
 * while the handler works, delivered again when it has failed. No more is pulled than there is room for: what waited
 * here without a sign of life would be delivered again. Nest's own event handling does not wait for a handler, so the
 * handler is called here.
 */
export class PullServer<Message> extends Server implements CustomTransportStrategy {
  private readonly stopping = new AbortController();
  private pulling: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly js: JetStreamClient,
    private readonly sources: PullSource<Message>[],
    private readonly log: PullServerLogger,
    /** Milliseconds between signs of life for a message in work. */
    private readonly heartbeatMs = HEARTBEAT_MS,
  ) {
    super();
  }

  listen(ready: () => void): void {
    this.pulling = Promise.all(this.sources.map((source) => this.pullOn(source)));
    ready();
  }

  /** Stops taking messages, and waits for those in work. */
  async close(): Promise<void> {
    this.stopping.abort();
    await this.pulling;
  }

  override on(): never {
    throw new Error('The pull server has no events of its own.');
  }

  unwrap<T>(): T {
    return this.js as T;
  }

  private async pullOn(source: PullSource<Message>): Promise<void> {
    const { signal } = this.stopping;
    const work = new Work(source.atOnce);
    const news = new News();
    for (let failures = 0; !signal.aborted;) {
      try {
        const consumer = await this.js.consumers.get(source.stream, source.consumer);
        while (!signal.aborted) {
          const room = await work.room(signal);
          const messages = await consumer.fetch({
            max_messages: room,
            expires: PULL_EXPIRES_MS,
            idle_heartbeat: PULL_HEARTBEAT_MS,
          });
          for await (const message of untilAborted(messages, signal)) {
            failures = 0;
            news.over();
            work.take(message, (newest) => this.handle(source, message, newest));
          }
        }
      } catch (error) {
        if (signal.aborted) break;
        const { consumer } = source;
        if (news.is(error)) this.log.warn({ error: String(error), consumer }, 'pulling stopped; trying again');
        await PULL_AGAIN.pause(++failures, signal);
      }
    }
    await work.finished();
  }

  private async handle(source: PullSource<Message>, message: JsMsg, newest: () => JsMsg): Promise<void> {
    const heartbeat = setInterval(() => newest().working(), this.heartbeatMs);
    try {
      await this.run(source, message);
      newest().ack();
    } catch (error) {
      const tries = newest().info.deliveryCount;
      const pause = RETRY_PAUSES_MS[Math.min(tries, RETRY_PAUSES_MS.length) - 1]!;
      const { subject } = message;
      if (this.stopping.signal.aborted || isCutOff(error)) {
        this.log.info({ subject, tries }, 'Cut off, as by a stop; it will come again');
      } else this.log.error({ error, subject, tries }, 'a message could not be handled; it will come again');
      newest().nak(pause);
    } finally {
      clearInterval(heartbeat);
    }
  }

  private async run(source: PullSource<Message>, message: JsMsg): Promise<void> {
    let content: Message;
    try {
      content = source.read(message.subject, message.data);
    } catch (error) {
      if (!(error instanceof UnreadableMessage)) throw error;
      await source.unreadable(message, error);
      return;
    }
    const pattern = source.pattern(content);
    const handler = this.getHandlerByPattern(pattern);
    if (handler === null) throw new Error(`No handler for ${pattern}: add one with @EventPattern('${pattern}').`);
    const result: unknown = await handler(content, new Delivery([message]));
    const value: unknown = isObservable(result) ? await lastValueFrom(result, { defaultValue: undefined }) : result;
    if (value === CUT_OFF) throw new DOMException('The work was cut off.', 'AbortError');
  }
}

/** What a handler returns of work that was cut off: Nest would log what it throws as an error. */
export const CUT_OFF = Symbol('cut off');

/** Whether work was cut off, as by a stop of which it was told before its server was. */
export function isCutOff(error: unknown): boolean {
  return (error as { name?: unknown } | undefined)?.name === 'AbortError';
}

/** The messages of one source that are being worked on. */
class Work {
  private readonly newest = new Map<number, JsMsg>();
  private readonly running = new Set<Promise<void>>();

  constructor(private readonly atOnce: number) {}

  /** How many more may be taken: waits until it is at least one. */
  async room(signal: AbortSignal): Promise<number> {
    while (this.running.size >= this.atOnce && !signal.aborted) await Promise.race(this.running);
    return Math.max(1, this.atOnce - this.running.size);
  }

  /** A message that is delivered again while it is in work is not worked on twice; its answer goes to the newest delivery. */
  take(message: JsMsg, handle: (newest: () => JsMsg) => Promise<void>): void {
    const { seq } = message;
    const known = this.newest.has(seq);
    this.newest.set(seq, message);
    if (known) return;
    const work = handle(() => this.newest.get(seq) ?? message).finally(() => {
      this.newest.delete(seq);
      this.running.delete(work);
    });
    this.running.add(work);
  }

  async finished(): Promise<void> {
    await Promise.all(this.running);
  }
}

/** Ends when the signal aborts; what was on its way then is delivered again, here or elsewhere. */
async function* untilAborted(messages: ConsumerMessages, signal: AbortSignal): AsyncGenerator<JsMsg> {
  const stop = (): void => messages.stop();
  signal.addEventListener('abort', stop);
  try {
    if (signal.aborted) return;
    yield* messages;
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}
