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
  /** How far its clock is ahead of the control plane's; negative: behind. */
  clockSkewMs: number;
  /** Whether its data root is there, one of {@link DATA_ROOT_STATES}; a host of a later version may say others. */
  dataRoot?: string;
}

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
      const { dataRoot } = activity.data;
      const clockSkewMs = clockSkewOfHost(activity.data, kept.time);
      return { seenAt: kept.time, clockSkewMs, ...(dataRoot === undefined ? {} : { dataRoot }) };
    } catch (error) {
      this.log.debug({ error, hostId }, 'No sign of life of a host is known');
      return undefined;
    }
  }
}
