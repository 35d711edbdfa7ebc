import type { DueMoment } from './due-moment.js';
import { afterVain, LONGEST_RETRY_MS, type InVain } from './in-vain.js';

/** What the log says of a project that may have backups that are no longer kept. */
export interface RetainedProject {
  id: string;
  /** Whether it keeps less than all. */
  retains: boolean;
  /** The last event by which another backup may be one to delete. */
  changed: { position: number; at: number };
  /** The deletions that came to nothing. */
  inVain: InVain | undefined;
  /** A deletion is under way. */
  deleting: boolean;
}

/** When it is to be looked at which backups a project keeps no longer: whenever that may have changed. Pure. */
export function dueRetention({ id, retains, changed, inVain, deleting }: RetainedProject): DueMoment[] {
  if (!retains || deleting) return [];
  const dueAt = Math.max(changed.at, afterVain(inVain));
  return [{ kind: 'retention', key: `${id}/retention/${changed.position}`, dueAt, waitsMs: LONGEST_RETRY_MS }];
}
