import { setTimeout as pause } from 'node:timers/promises';
import {
  AckPolicy,
  DeliverPolicy,
  type ConsumerMessages,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { readActivity, STREAM, subjects, UnreadableMessage, type ReceivedActivity } from '@buckets/contracts';
import { Backoff, type Logger } from '@buckets/service';
import type { ClockSkews } from './clock-skews.js';
import type { Clock } from './clock.js';
import type { Heard } from './activity-board.js';

export interface ActivityListener {
  /** From now on everything is heard that hosts say; before, it may have been missed. */
  listening(): void;
  /** From now on what hosts say may be missed. */
  deaf(): void;
  hear(activity: ReceivedActivity, heard: Heard): void;
}

const MAX_BATCH = 500;
const FETCH_EXPIRES_MS = 5_000;
const INACTIVE_MS = 60_000;
const BETWEEN_WARNINGS_MS = 10_000;
const BETWEEN_TRIES = new Backoff({ firstMs: 500, maxMs: 5_000 });

/**
 * Listens to what hosts tell: first the latest message on each subject, then each as it comes. Whenever something may
 * have been lost it begins again, which repeats what was heard and harms nothing.
 */
export class ActivityReader {
  constructor(
    private readonly js: JetStreamClient,
    private readonly jsm: JetStreamManager,
    private readonly clock: Clock,
    private readonly skews: ClockSkews,
    private readonly log: Logger,
  ) {}

  /** Until the signal. */
  async run(listener: ActivityListener, signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.listen(listener, signal, () => (failures = 0));
      } catch (error) {
        listener.deaf();
        if (signal.aborted) return;
        this.log.warn({ error }, 'Listening to the hosts stopped; trying again');
        await pause(BETWEEN_TRIES.delayMs(++failures), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  private async listen(listener: ActivityListener, signal: AbortSignal, begun: () => void): Promise<void> {
    const consumer = await this.jsm.consumers.add(STREAM.activity, {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.LastPerSubject,
      filter_subject: subjects.allActivity,
      inactive_threshold: nanos(INACTIVE_MS),
      mem_storage: true,
      num_replicas: 1,
    });
    const reader = await this.js.consumers.get(STREAM.activity, consumer.name);
    begun();
    listener.listening();
    const kept = consumer.num_pending;
    let delivered = 0;
    while (!signal.aborted) {
      const messages = await reader.fetch({ max_messages: MAX_BATCH, expires: FETCH_EXPIRES_MS });
      for await (const message of untilAborted(messages, signal)) {
        if (message.info.deliverySequence !== ++delivered) throw new Error('A message of a host was lost.');
        this.pass(message, delivered > kept, listener);
      }
    }
  }

  private pass(message: JsMsg, live: boolean, listener: ActivityListener): void {
    let activity: ReceivedActivity;
    try {
      activity = readActivity(message.subject, message.data);
    } catch (error) {
      if (!(error instanceof UnreadableMessage)) throw error;
      this.leaveOut(error);
      return;
    }
    if (activity.name === 'host') this.skews.hear(activity.hostId, activity.data, message.time);
    const ageMs = live ? 0 : Math.max(0, Date.now() - message.time.getTime());
    listener.hear(activity, { at: this.clock.now() - ageMs, live });
  }

  /** The next one from there may be readable again; until then what is unsaid is unknown. */
  private leaveOut(error: UnreadableMessage): void {
    if (this.clock.now() - this.leftOutAt < BETWEEN_WARNINGS_MS) return;
    this.leftOutAt = this.clock.now();
    this.log.warn({ error }, 'What a host tells is left out');
  }
  private leftOutAt = Number.NEGATIVE_INFINITY;
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
