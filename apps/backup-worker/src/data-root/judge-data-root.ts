import { countText } from '@buckets/contracts';
import type { DataRootState } from '@buckets/contracts';

/** What a look at the marker found: the host that it names, that it is not there, or why it cannot be read. */
export type MarkerSight = { hostId: string } | 'absent' | { unreadable: string };

/** A project that the control plane has assigned to this host, and whether the data root has a record of it. */
export interface ExpectedProject {
  /** Whether its data were once brought to this host. */
  provisioned: boolean;
  recorded: boolean;
}

export interface DataRootProblem {
  state: Exclude<DataRootState, 'here'>;
  /** For people: what is so, and what to do. */
  why: string;
  /** It passes by itself. */
  passes?: true;
}

/** `unmarked`: there is no marker, and nothing that it would have kept from harm: the folder may be taken and marked. */
export type DataRootVerdict = { state: 'here' } | { state: 'unmarked' } | DataRootProblem;

/**
 * Whether the folder is this host's data root. A folder without the marker is that of a new host, or of one from before
 * there were markers, whose records say so; with projects that it knows nothing of, its file system is not mounted.
 *
 * @param expected undefined while the control plane has not said which projects are this host's
 * @param wasHere whether this very process has seen the marker: it does not go away by itself
 * @param present of how many projects the folder has records: an empty folder in its place has none
 */
export function judgeDataRoot(
  about: { dataRoot: string; marker: string; hostId: string },
  sight: MarkerSight,
  expected: readonly ExpectedProject[] | undefined,
  wasHere: boolean,
  present: number,
): DataRootVerdict {
  const { dataRoot, marker, hostId } = about;
  if (sight !== 'absent') {
    if ('unreadable' in sight) {
      return { state: 'unreadable', why: `${marker} cannot be read (${sight.unreadable}). Check the disk.` };
    }
    if (sight.hostId === hostId) return { state: 'here' };
    const named = sight.hostId === '' ? 'no host' : `host ${JSON.stringify(sight.hostId)}`;
    return {
      state: 'foreign',
      why: `${marker} names ${named}, and this is host ${hostId}. Give this worker the data root of its own host.`,
    };
  }
  if (!wasHere && expected === undefined) {
    return {
      state: 'missing',
      why: `There is no ${marker}, and the control plane has not said yet whether this host is to have projects.`,
      passes: true,
    };
  }
  const unknown = (expected ?? []).filter(({ provisioned, recorded }) => provisioned && !recorded).length;
  if (!wasHere && unknown === 0) return { state: 'unmarked' };
  const lacking = wasHere
    ? 'although it was there before'
    : `and ${countText(unknown, 'project')} of this host ${unknown === 1 ? 'is' : 'are'} not in it`;
  const missing = `There is no ${marker}, ${lacking}`;
  if (present > 0) {
    return {
      state: 'missing',
      why:
        `${missing}; but ${dataRoot} holds the data of ${countText(present, 'project')}. If they are those of host ${hostId}, write ` +
        `${hostId} into that file, and the worker goes on by itself${unknown > 0 ? ': starts restore what is not there' : ''}. Else mount the file system that belongs there.`,
    };
  }
  return {
    state: 'missing',
    why:
      `${missing}: the file system of ${dataRoot} is not mounted. Mount it, and the worker goes ` +
      `on by itself. If its data are lost for good, write ${hostId} into that file: starts then restore from backups.`,
  };
}
