import { Server, type CustomTransportStrategy, BaseRpcContext } from '@nestjs/microservices';
import type { ConsumerMessages, JetStreamClient, JsMsg } from '@nats-io/jetstream';
import { isObservable, lastValueFrom } from 'rxjs';
import { UnreadableMessage } from '@buckets/contracts';
import { Backoff } from '@buckets/patience';
import { Headway } from './headway.js';
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
  /** Keeps what cannot be read or handled; the message is given up only after this has succeeded. */
  unreadable: (delivery: JsMsg, error: UnreadableMessage) => Promise<void>;
  /**
   * Whether a failure says nothing of the message, so that trying again can help. A message that has failed otherwise
   * {@link MAX_FAILURES} times is given up. Default: any failure may pass.
   */
  mayPass?: (error: unknown) => boolean;
  /** Deliveries in work at once. */
  atOnce: number;
  /** Whether each is handled within moments: one that is not holds the others up. Default: it may take hours. */
  isShort?: boolean;
}

/** How often a message is tried whose own fault it is that it fails: it might have been somebody else's after all. */
export const MAX_FAILURES = 5;
/** Messages whose failures are remembered. */
const MAX_REMEMBERED = 10_000;

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
/** Without heartbeats the pull would have failed by then. */
const HEARD_AFTER_MS = 3 * PULL_HEARTBEAT_MS;
const PULL_AGAIN = new Backoff({ firstMs: 250, maxMs: 5_000 });

/**
 * Nest's way in for durable pull consumers. A message is acknowledged when its handler has finished, kept alive
 * while the handler works, delivered again when it has failed. No more is pulled than there is room for: what waited
 * here without a sign of life would be delivered again. Nest's own event handling does not wait for a handler, so the
 * handler is called here.
 */
export class PullServer<Message> extends Server implements CustomTransportStrategy {
  private readonly stopping = new AbortController();
  private readonly works: readonly Work<Message>[];
  private pulling: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly js: JetStreamClient,
    sources: readonly PullSource<Message>[],
    private readonly log: PullServerLogger,
    /** Milliseconds between signs of life for a message in work. */
    private readonly heartbeatMs = HEARTBEAT_MS,
  ) {
    super();
    this.works = sources.map((source) => new Work(source));
  }

  /** @throws {NoHeadway} */
  check(): void {
    for (const work of this.works) work.check();
  }

  listen(ready: () => void): void {
    this.pulling = Promise.all(this.works.map((work) => this.pullOn(work)));
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

  private async pullOn(work: Work<Message>): Promise<void> {
    const { signal } = this.stopping;
    const { source } = work;
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
          const heard = setTimeout(() => work.pulling.gotOn(), HEARD_AFTER_MS);
          try {
            for await (const message of untilAborted(messages, signal)) {
              failures = 0;
              news.over();
              work.take(message, (newest) => this.handle(work, message, newest));
            }
          } finally {
            clearTimeout(heard);
          }
          work.pulling.gotOn();
        }
      } catch (error) {
        if (signal.aborted) break;
        work.pulling.failed();
        const { consumer } = source;
        if (news.is(error)) this.log.warn({ error: String(error), consumer }, 'pulling stopped; trying again');
        await PULL_AGAIN.pause(++failures, signal);
      }
    }
    await work.finished();
  }

  private async handle(work: Work<Message>, message: JsMsg, newest: () => JsMsg): Promise<void> {
    const heartbeat = setInterval(() => newest().working(), this.heartbeatMs);
    const ended = work.handling?.begin();
    try {
      await this.run(work.source, message).catch((error: unknown) => this.giveUp(work, message, error));
      newest().ack();
      work.settled(message);
    } catch (error) {
      const tries = newest().info.deliveryCount;
      const pause = RETRY_PAUSES_MS[Math.min(tries, RETRY_PAUSES_MS.length) - 1]!;
      const { subject } = message;
      if (this.isCutOff(error)) {
        this.log.info({ subject, tries }, 'Cut off, as by a stop; it will come again');
      } else {
        work.handling?.failed();
        this.log.error({ error, subject, tries }, 'a message could not be handled; it will come again');
      }
      newest().nak(pause);
    } finally {
      clearInterval(heartbeat);
      ended?.();
    }
  }

  /** Puts a message aside that has failed too often by its own fault. @throws the failure while it is tried again */
  private async giveUp(work: Work<Message>, message: JsMsg, error: unknown): Promise<void> {
    const { mayPass = () => true, unreadable } = work.source;
    const { subject } = message;
    if (this.isCutOff(error) || mayPass(error) || work.failuresOf(message) < MAX_FAILURES) throw error;
    this.log.error({ error, subject }, 'a message could not be handled over and over; it is put aside');
    await unreadable(
      message,
      new UnreadableMessage(`it failed ${MAX_FAILURES} times (${nameOf(error)}), the log says how`, subject),
    );
  }

  private isCutOff(error: unknown): boolean {
    return this.stopping.signal.aborted || isCutOff(error);
  }

  private async run(source: PullSource<Message>, message: JsMsg): Promise<void> {
    let content: Message;
    try {
      content = source.read(message.subject, message.data);
    } catch (error) {
      // Whatever it is: the message would be no other the next time.
      const { subject } = message;
      const why = () => new UnreadableMessage(`it cannot be read here (${nameOf(error)})`, subject);
      await source.unreadable(message, error instanceof UnreadableMessage ? error : why());
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

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}

/** The messages of one source that are being worked on. */
class Work<Message> {
  readonly pulling: Headway;
  /** Undefined where the handling may take any time. */
  readonly handling: Headway | undefined;
  private readonly newest = new Map<number, JsMsg>();
  private readonly running = new Set<Promise<void>>();
  private readonly failures = new Map<number, number>();

  constructor(readonly source: PullSource<Message>) {
    this.pulling = new Headway(`The reading of ${source.consumer}`);
    this.handling = source.isShort === true ? new Headway(`The handling of ${source.consumer}`) : undefined;
  }

  /** @throws {NoHeadway} */
  check(): void {
    this.pulling.check();
    this.handling?.check();
  }

  /** How often a message has failed here by its own fault, with this time. */
  failuresOf({ seq }: JsMsg): number {
    const count = (this.failures.get(seq) ?? 0) + 1;
    this.failures.delete(seq);
    this.failures.set(seq, count);
    if (this.failures.size > MAX_REMEMBERED) this.failures.delete(this.failures.keys().next().value!);
    return count;
  }

  /** It is handled, or put aside. */
  settled({ seq }: JsMsg): void {
    this.failures.delete(seq);
    this.handling?.gotOn();
  }

  /** How many more may be taken: waits until it is at least one. */
  async room(signal: AbortSignal): Promise<number> {
    const { atOnce } = this.source;
    while (this.running.size >= atOnce && !signal.aborted) await Promise.race(this.running);
    return Math.max(1, atOnce - this.running.size);
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
