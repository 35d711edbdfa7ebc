import {
  AckPolicy,
  DeliverPolicy,
  type ConsumerInfo,
  type ConsumerMessages,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream';
import { Backoff } from '@buckets/patience';
import { nanos } from '@nats-io/transport-node';
import { Headway } from './headway.js';
import { LeftOut } from './left-out.js';
import { News } from './news.js';
import type { ProjectorLogger } from './projector.js';

/** A message that a stream keeps the latest of, as it was heard. */
export interface HeardMessage {
  subject: string;
  data: Uint8Array;
  /** When the stream took it, by the server's clock. */
  keptAt: Date;
  /**
   * How long ago that was when it got here, by the server's clock and the time that has passed here since; milliseconds.
   * Of what was kept from before it may be longer ago: by as much as that clock was set back meanwhile.
   */
  ageMs: number;
  /** Whether it came since we listen, or was kept from before. */
  live: boolean;
}

export interface LatestListener {
  /** From now on everything is heard; before, it may have been missed. */
  listening(): void;
  /** From now on something may be missed. @param why what has ended the listening */
  deaf(why: unknown): void;
  /** What this throws for is left out: it would be no other the next time. */
  hear(message: HeardMessage): void;
}

const MAX_BATCH = 500;
const FETCH_EXPIRES_MS = 5_000;
const INACTIVE_MS = 60_000;
/** What comes so late has waited on its way, or the server's clock was set: the latter we learn by beginning again. */
const LATE_MS = 5_000;
const BETWEEN_BEGINNINGS_MS = 60_000;
const RETRY = new Backoff({ firstMs: 500, maxMs: 5_000 });

/**
 * Hears what a stream keeps the latest of: first the latest message on each subject, then each as it comes. Whenever
 * something may have been lost it begins again, which repeats what was heard and harms nothing. No message ends it.
 */
export class LatestReader {
  /** Messages that the listener could not hear. */
  readonly leftOut: LeftOut;
  private readonly headway: Headway;
  private begunForLateness = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly js: JetStreamClient,
    private readonly jsm: JetStreamManager,
    private readonly from: { stream: string; subject: string },
    private readonly log: Pick<ProjectorLogger, 'warn'>,
  ) {
    this.leftOut = new LeftOut(`Messages on ${from.subject}`, log);
    this.headway = new Headway(`The reading of ${from.subject}`);
  }

  /** @throws {NoHeadway} */
  check(): void {
    this.headway.check();
  }

  /** Until the signal. */
  async run(listener: LatestListener, signal: AbortSignal): Promise<void> {
    const news = new News();
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.listen(listener, signal, () => {
          failures = 0;
          news.over();
        });
      } catch (error) {
        listener.deaf(error);
        if (signal.aborted) return;
        this.headway.failed();
        const { subject } = this.from;
        if (news.is(error)) this.log.warn({ error: String(error), subject }, 'Listening has stopped; trying again');
        await RETRY.pause(++failures, signal);
      }
    }
  }

  private async listen(listener: LatestListener, signal: AbortSignal, begun: () => void): Promise<void> {
    const { stream, subject } = this.from;
    const askedAt = performance.now();
    const consumer = await this.jsm.consumers.add(stream, {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.LastPerSubject,
      filter_subject: subject,
      inactive_threshold: nanos(INACTIVE_MS),
      mem_storage: true,
      num_replicas: 1,
    });
    const ageOf = agesFrom(consumer, askedAt);
    const reader = await this.js.consumers.get(stream, consumer.name);
    begun();
    listener.listening();
    const kept = consumer.num_pending;
    let delivered = 0;
    while (!signal.aborted) {
      const messages = await reader.fetch({ max_messages: MAX_BATCH, expires: FETCH_EXPIRES_MS });
      for await (const message of untilAborted(messages, signal)) {
        if (message.info.deliverySequence !== ++delivered) throw new Error('A message was lost.');
        const live = delivered > kept;
        const ageMs = ageOf(message);
        if (live && ageMs > LATE_MS) this.beginAgainForLateness();
        this.pass({ subject: message.subject, data: message.data, keptAt: message.time, ageMs, live }, listener);
      }
      this.headway.gotOn();
    }
  }

  private pass(message: HeardMessage, listener: LatestListener): void {
    try {
      listener.hear(message);
    } catch (error) {
      this.leftOut.note(message.subject, error);
    }
  }

  private beginAgainForLateness(): void {
    const now = performance.now();
    if (now - this.begunForLateness < BETWEEN_BEGINNINGS_MS) return;
    this.begunForLateness = now;
    throw new Error('A message came late, or the clock of the server was set.');
  }
}

/** How old messages are, given that their consumer was made when it was asked for or later. */
function agesFrom({ created }: ConsumerInfo, askedAt: number): (message: Pick<JsMsg, 'time'>) => number {
  const madeAt = Date.parse(String(created));
  return ({ time }) => Math.max(0, madeAt - time.getTime() + performance.now() - askedAt);
}

async function* untilAborted(messages: ConsumerMessages, signal: AbortSignal): AsyncGenerator<JsMsg> {
  const close = (): void => void messages.close();
  signal.addEventListener('abort', close, { once: true });
  try {
    if (!signal.aborted) yield* messages;
  } finally {
    signal.removeEventListener('abort', close);
    await messages.close();
  }
}
