import { createHash } from 'node:crypto';

/** A project in whose repository snapshots may lie that are no backups. */
export interface OrphanedProject {
  id: string;
  /** When the first of the operations ended that may have left one; milliseconds since 1970. */
  orphansSince: number;
}

export interface DueTidying {
  projectId: string;
  /** The same for every copy of the scheduler and however often it asks, until the tidying has ended. */
  key: string;
}

const HOUR = 60 * 60_000;

/** After the grace period so much more passes, for clocks of hosts that differ, and up to as much again, by project. */
export const MARGIN_MS = HOUR;

/** The projects whose repositories are to be tidied now: what may lie there is older than the grace period. Pure. */
export function dueTidyings(now: number, projects: readonly OrphanedProject[], graceMs: number): DueTidying[] {
  return projects
    .filter(({ id, orphansSince }) => orphansSince + graceMs + MARGIN_MS + spreadMs(id) <= now)
    .map(({ id, orphansSince }) => ({ projectId: id, key: `${id}/orphans/${orphansSince}` }));
}

function spreadMs(projectId: string): number {
  const share = createHash('sha256').update(projectId).digest().readUInt32BE(0) / 2 ** 32;
  return Math.round(share * MARGIN_MS);
}
