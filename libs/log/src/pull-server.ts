import { Server, type CustomTransportStrategy, BaseRpcContext } from '@nestjs/microservices';
import type { ConsumerMessages, JetStreamClient, JsMsg } from '@nats-io/jetstream';
import { isObservable, lastValueFrom } from 'rxjs';
import { UnreadableMessage } from '@buckets/contracts';
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
  error(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Failed deliveries come back after these pauses, the last one over and over; milliseconds. */
const RETRY_PAUSES_MS = [200, 1_000, 5_000, 15_000];
const HEARTBEAT_MS = ACK_WAIT_MS / 3;
const PULL_EXPIRES_MS = 30_000;
const RECONNECT_PAUSE_MS = 500;

/**
 * Nest's way in for durable pull consumers. A message is acknowledged when its handler has finished, kept alive
 * while the handler works, delivered again when it has failed. Nest's own event handling does not wait for a
 * handler, so the handler is called here.
 */
export class PullServer<Message> extends Server implements CustomTransportStrategy {
  private readonly inWork = new Map<string, JsMsg>();
  private readonly finished = new Set<Promise<void>>();
  private readonly open = new Set<ConsumerMessages>();
  private stopping = false;

  constructor(
    private readonly js: JetStreamClient,
    private readonly sources: PullSource<Message>[],
    private readonly log: PullServerLogger,
  ) {
    super();
  }

  listen(ready: () => void): void {
    for (const source of this.sources) void this.pull(source);
    ready();
  }

  /** Stops taking messages, and waits for those in work. */
  async close(): Promise<void> {
    this.stopping = true;
    await Promise.allSettled([...this.open].map((messages) => messages.close()));
    await Promise.allSettled([...this.finished]);
  }

  override on(): never {
    throw new Error('The pull server has no events of its own.');
  }

  unwrap<T>(): T {
    return this.js as T;
  }

  private async pull(source: PullSource<Message>): Promise<void> {
    while (!this.stopping) {
      try {
        const consumer = await this.js.consumers.get(source.stream, source.consumer);
        const messages = await consumer.consume({
          max_messages: source.atOnce,
          expires: PULL_EXPIRES_MS,
          abort_on_missing_resource: true,
        });
        this.open.add(messages);
        try {
          for await (const message of messages) this.take(source, message);
        } finally {
          this.open.delete(messages);
        }
      } catch (error) {
        if (this.stopping) return;
        this.log.warn({ error: String(error), consumer: source.consumer }, 'pulling stopped; trying again');
      }
      if (!this.stopping) await new Promise((resolve) => setTimeout(resolve, RECONNECT_PAUSE_MS));
    }
  }

  private take(source: PullSource<Message>, message: JsMsg): void {
    const key = `${source.stream}:${message.seq}`;
    // Delivered again while still in work: the answer goes to the newest delivery, the work is not done twice.
    const known = this.inWork.has(key);
    this.inWork.set(key, message);
    if (known) return;
    const work = this.handle(source, key, message).finally(() => {
      this.inWork.delete(key);
      this.finished.delete(work);
    });
    this.finished.add(work);
  }

  private async handle(source: PullSource<Message>, key: string, message: JsMsg): Promise<void> {
    const newest = (): JsMsg => this.inWork.get(key) ?? message;
    const heartbeat = setInterval(() => newest().working(), HEARTBEAT_MS);
    try {
      await this.run(source, message);
      newest().ack();
    } catch (error) {
      const tries = newest().info.deliveryCount;
      const pause = RETRY_PAUSES_MS[Math.min(tries, RETRY_PAUSES_MS.length) - 1]!;
      this.log.error({ error, subject: message.subject, tries }, 'a message could not be handled; it will come again');
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
    if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
  }
}
