import type { JetStreamManager } from '@nats-io/jetstream';
import {
  clockSkewOfHost,
  DATA_ROOT_STATES,
  NO_PROJECT,
  readActivity,
  STREAM,
  subjects,
  type DataRootState,
} from '@buckets/contracts';
import type { Logger } from '@buckets/service';

/** What a host's latest sign of life tells. */
export interface HostSign {
  seenAt: Date;
  /** Nothing was heard since then for longer than a host may be silent. */
  isSilent: boolean;
  /** How far its clock is ahead of the control plane's; negative: behind. */
  clockSkewMs: number;
  /** Whether its data root is there, one of {@link DATA_ROOT_STATES}; a host of a later version may say others. */
  dataRoot?: string;
}

/** Nothing was ever heard of the host, as far as anybody remembers. */
export const UNHEARD = 'unheard';

const WITHOUT_DATA_ROOT: Record<Exclude<DataRootState, 'here'>, string> = {
  opening: 'is being put in order',
  missing: 'is not there, or lacks the file that marks it: mount it',
  foreign: 'is marked as that of another host: give its worker its own',
  unreadable: 'cannot be read: check the disk',
  'in-use': 'is served by another worker: stop one of them',
};

/** Why a host does nothing; null when its data root is there, as far as is known. */
export function dataRootInWords({ dataRoot = 'here' }: Pick<HostSign, 'dataRoot'>): string | null {
  if (dataRoot === 'here') return null;
  const known = DATA_ROOT_STATES.find((each) => each === dataRoot);
  const how = known === undefined || known === 'here' ? `is ${dataRoot}` : WITHOUT_DATA_ROOT[known];
  return `Its data root ${how}. The host does nothing until then; its worker's log and health say more.`;
}

/** Why nothing is done on a host: it is silent, or its data root is not there. Null when it works, as far as is known. */
export function idlenessInWords(sign: HostSign | typeof UNHEARD | undefined): string | null {
  if (sign === undefined) return null;
  if (sign === UNHEARD) return 'It has never been heard: start its worker, and see that it reaches NATS.';
  if (!sign.isSilent) return dataRootInWords(sign);
  return `It has been silent since ${sign.seenAt.toISOString()}: see whether it and its worker run, and reach NATS.`;
}

/** The latest sign of life of hosts, from the stream that keeps it in memory. Best effort: there may be none. */
export class HostSigns {
  constructor(
    private readonly jsm: JetStreamManager,
    private readonly log: Logger,
    private readonly silenceLimitMs: number,
  ) {}

  /** Undefined where nobody can tell; `UNHEARD` of a host that has never been heard. */
  async of(hostId: string): Promise<HostSign | typeof UNHEARD | undefined> {
    try {
      const kept = await this.jsm.streams.getMessage(STREAM.activity, {
        last_by_subj: subjects.activity(hostId, NO_PROJECT),
      });
      if (kept === null) return (await this.wouldRemember()) ? UNHEARD : undefined;
      const activity = readActivity(kept.subject, kept.data);
      if (activity.name !== 'host') return undefined;
      const { dataRoot } = activity.data;
      const clockSkewMs = clockSkewOfHost(activity.data, kept.time);
      const isSilent = await this.isLongAgo(kept.time);
      return { seenAt: kept.time, isSilent, clockSkewMs, ...(dataRoot === undefined ? {} : { dataRoot }) };
    } catch (error) {
      this.log.debug({ error, hostId }, 'No sign of life of a host is known');
      return undefined;
    }
  }

  /** Why nothing is done on the host, for people; null when it works, as far as is known. */
  async whyIdle(hostId: string): Promise<string | null> {
    return idlenessInWords(await this.of(hostId));
  }

  /** A stream that was made a moment ago, as when NATS starts, has not heard yet whom it would hear. */
  private async wouldRemember(): Promise<boolean> {
    const { created, ts } = await this.jsm.streams.info(STREAM.activity);
    return Date.parse(String(ts)) - Date.parse(String(created)) > this.silenceLimitMs;
  }

  /** By the server's clock, which the moment is of; ours says only whether it is worth asking for it. */
  private async isLongAgo(moment: Date): Promise<boolean> {
    if (Date.now() - moment.getTime() <= this.silenceLimitMs) return false;
    const { ts } = await this.jsm.streams.info(STREAM.activity);
    return Date.parse(String(ts)) - moment.getTime() > this.silenceLimitMs;
  }
}
