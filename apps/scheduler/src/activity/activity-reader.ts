import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import { readActivity, STREAM, subjects, UnreadableMessage, type ReceivedActivity } from '@buckets/contracts';
import { LatestReader, type HeardMessage } from '@buckets/log';
import type { Logger } from '@buckets/service';
import type { Heard } from './activity-board.js';
import type { ClockSkews } from './clock-skews.js';
import type { Clock } from './clock.js';

export interface ActivityListener {
  /** From now on everything is heard that hosts say; before, it may have been missed. */
  listening(): void;
  /** From now on what hosts say may be missed. */
  deaf(): void;
  hear(activity: ReceivedActivity, heard: Heard): void;
}

const BETWEEN_WARNINGS_MS = 10_000;

/** Listens to what hosts tell: first the latest message on each subject, then each as it comes. */
export class ActivityReader {
  private readonly reader: LatestReader;

  constructor(
    js: JetStreamClient,
    jsm: JetStreamManager,
    private readonly clock: Clock,
    private readonly skews: ClockSkews,
    private readonly log: Logger,
  ) {
    this.reader = new LatestReader(js, jsm, { stream: STREAM.activity, subject: subjects.allActivity }, log);
  }

  /** Until the signal. */
  async run(listener: ActivityListener, signal: AbortSignal): Promise<void> {
    await this.reader.run(
      {
        listening: () => listener.listening(),
        deaf: () => listener.deaf(),
        hear: (message) => this.pass(message, listener),
      },
      signal,
    );
  }

  private pass({ subject, data, keptAt, ageMs, live }: HeardMessage, listener: ActivityListener): void {
    let activity: ReceivedActivity;
    try {
      activity = readActivity(subject, data);
    } catch (error) {
      if (!(error instanceof UnreadableMessage)) throw error;
      this.leaveOut(error);
      return;
    }
    if (activity.name === 'host') this.skews.hear(activity.hostId, activity.data, keptAt);
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
