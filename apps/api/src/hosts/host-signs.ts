import type { JetStreamManager } from '@nats-io/jetstream';
import { clockSkewOfHost, NO_PROJECT, readActivity, STREAM, subjects } from '@buckets/contracts';
import type { Logger } from '@buckets/service';

/** What a host's latest sign of life tells. */
export interface HostSign {
  seenAt: Date;
  /** How far its clock is ahead of the control plane's; negative: behind. */
  clockSkewMs: number;
}

/** The latest sign of life of hosts, from the stream that keeps it in memory. Best effort: there may be none. */
export class HostSigns {
  constructor(
    private readonly jsm: JetStreamManager,
    private readonly log: Logger,
  ) {}

  async of(hostId: string): Promise<HostSign | undefined> {
    try {
      const kept = await this.jsm.streams.getMessage(STREAM.activity, {
        last_by_subj: subjects.activity(hostId, NO_PROJECT),
      });
      if (kept === null) return undefined;
      const activity = readActivity(kept.subject, kept.data);
      if (activity.name !== 'host') return undefined;
      return { seenAt: kept.time, clockSkewMs: clockSkewOfHost(activity.data, kept.time) };
    } catch (error) {
      this.log.debug({ error, hostId }, 'No sign of life of a host is known');
      return undefined;
    }
  }
}
