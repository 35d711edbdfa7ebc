import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import { readActivity, STREAM, subjects, type ReceivedActivity } from '@buckets/contracts';
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

/** Listens to what hosts tell: first the latest message on each subject, then each as it comes. */
export class ActivityReader {
  private readonly reader: LatestReader;

  constructor(
    js: JetStreamClient,
    jsm: JetStreamManager,
    private readonly clock: Clock,
    private readonly skews: ClockSkews,
    log: Pick<Logger, 'warn'>,
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

  /** @throws {NoHeadway} */
  check(): void {
    this.reader.check();
  }

  /** What people should see to; null when there is nothing. */
  warning(): string | null {
    return this.reader.leftOut.warning();
  }

  /** What cannot be read is left out: the next one from there may be readable again; until then what is unsaid is unknown. */
  private pass({ subject, data, keptAt, ageMs, live }: HeardMessage, listener: ActivityListener): void {
    const activity = readActivity(subject, data);
    if (activity.name === 'host') this.skews.hear(activity.hostId, activity.data, keptAt);
    listener.hear(activity, { at: this.clock.now() - ageMs, live });
  }
}
