import type { DueMoment } from './due-moment.js';
import { afterVain, LONGEST_RETRY_MS, type InVain } from './in-vain.js';
import { shareOf } from './share.js';

/** In what way a project's repository may need tidying. Moments are milliseconds since 1970. */
export interface UntidyProject {
  id: string;
  /** When the first of the operations ended that may have left snapshots that are no backups. */
  orphansSince: number | null;
  /** Since when nobody knows of some backups whether a deletion removed them, or when they were last looked for in vain. */
  doubtsSince: number | null;
  /** The tidyings that came to nothing. */
  inVain: InVain | undefined;
  /** What is under way: a tidying that removes orphans; a tidying of any sort, or a deletion. */
  removing: boolean;
  looking: boolean;
}

const HOUR = 60 * 60_000;

/** After the grace period so much more passes, for clocks of hosts that differ, and up to as much again, by project. */
export const MARGIN_MS = HOUR;

/** For the late word of the host that was to delete it; and between one look in vain and the next. */
export const DOUBT_MS = 60_000;

/** When a repository is to be tidied, the grace period aside, and when backups are to be looked for in it. Pure. */
export function dueTidyings(project: UntidyProject): DueMoment[] {
  const { id, orphansSince, doubtsSince, inVain, removing, looking } = project;
  const due: DueMoment[] = [];
  if (orphansSince !== null && !removing) {
    const dueAt = orphansSince + MARGIN_MS + Math.round(shareOf(id) * MARGIN_MS);
    due.push({ kind: 'orphans', key: `${id}/orphans/${orphansSince}`, dueAt, waitsMs: 2 * MARGIN_MS });
  }
  if (doubtsSince !== null && !looking) {
    const dueAt = Math.max(doubtsSince + DOUBT_MS, afterVain(inVain));
    due.push({ kind: 'doubts', key: `${id}/doubts/${doubtsSince}`, dueAt, waitsMs: LONGEST_RETRY_MS });
  }
  return due;
}
