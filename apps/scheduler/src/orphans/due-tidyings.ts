import { createHash } from 'node:crypto';

/** A project with backups of which nobody knows whether a deletion has removed them. */
export interface DoubtfulProject {
  id: string;
  /** Since when, or when they were last looked for in vain; milliseconds since 1970. */
  doubtsSince: number;
}

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

/** For the late word of the host that was to delete it; and between one look in vain and the next. */
export const DOUBT_MS = 60_000;

/** The projects in whose repositories backups are to be looked for now. Pure. */
export function dueLooks(now: number, projects: readonly DoubtfulProject[]): DueTidying[] {
  return projects
    .filter(({ doubtsSince }) => doubtsSince + DOUBT_MS <= now)
    .map(({ id, doubtsSince }) => ({ projectId: id, key: `${id}/doubts/${doubtsSince}` }));
}

function spreadMs(projectId: string): number {
  const share = createHash('sha256').update(projectId).digest().readUInt32BE(0) / 2 ** 32;
  return Math.round(share * MARGIN_MS);
}
