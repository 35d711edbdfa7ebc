import type { FreshnessState } from '@buckets/contracts';
import type { DueMoment } from './due-moment.js';
import { afterVain, LONGEST_RETRY_MS } from './in-vain.js';
import { shareOf } from './share.js';

/** What the log says of a project that may be in need of a backup. Moments are milliseconds since 1970. */
export interface ScheduledProject {
  id: string;
  intervalMinutes: number;
  provisionedAt: number | null;
  /** A backup was brought back since the newest one began: only the next one tells whether anything has changed since. */
  restoredSinceNewest: boolean;
  freshness: FreshnessState;
  staleSince: number | null;
  statedAt: number | null;
  /** The epoch of the changes that the statement looked at. */
  statedEpoch: string | null;
  /** When it began is null of one that was found in a bucket: only the clock of a host says it. */
  newestBackup: { id: string; beganAt: number | null; epoch: string; partial: boolean } | null;
  lastEnded: { operationId: string; at: number; cancelled: boolean } | null;
  /** Backup operations that ended in a row without a backup. */
  failures: number;
  /** A backup, or something that no backup can run beside, is under way. */
  busy: boolean;
}

const MINUTE = 60_000;
/** A watcher that began anew gets so long to show by a scan that nothing changed. */
const SCAN_GRACE_MS = 20 * MINUTE;
/** After a restore, in which nothing is stored anew. */
export const AFTER_RESTORE_MS = 10_000;
/** Projects that became due together are spread over a tenth of their interval, and over this at most. */
const MAX_SPREAD_MS = 5 * MINUTE;

/** When a project is to be backed up as things stand, if it is; see {@link dueAt}. Pure. */
export function dueBackup(project: ScheduledProject): DueMoment[] {
  const at = dueAt(project);
  if (at === null) return [];
  const waitsMs = Math.max(intervalMs(project) + spreadMs(project), project.failures > 0 ? LONGEST_RETRY_MS : 0);
  return [{ kind: 'backup', key: keyOf(project), dueAt: at, waitsMs }];
}

/** When a project is to be backed up as things stand; null for one that needs no backup, or can have none now. */
export function dueAt(project: ScheduledProject): number | null {
  const { provisionedAt, busy, freshness, restoredSinceNewest } = project;
  const unprotectedAt = unprotectedSince(project);
  if (provisionedAt === null || busy || unprotectedAt === null) return null;
  if (freshness === 'stale' && restoredSinceNewest) {
    return Math.max(provisionedAt + AFTER_RESTORE_MS, ...retryHoldOffs(project));
  }
  return Math.max(unprotectedAt + intervalMs(project) + spreadMs(project), ...holdOffs(project));
}

function unprotectedSince({ freshness, staleSince, statedAt, provisionedAt }: ScheduledProject): number | null {
  if (freshness === 'never') return provisionedAt;
  if (freshness !== 'stale') return null;
  // A host whose clock is ahead must not put its backups off.
  const known = [staleSince, statedAt].filter((at) => at !== null);
  return known.length === 0 ? provisionedAt : Math.min(...known);
}

/** Nobody wanted the last one, or it has failed. */
function retryHoldOffs({ lastEnded, failures, ...project }: ScheduledProject): number[] {
  if (lastEnded?.cancelled) return [lastEnded.at + intervalMs(project)];
  if (lastEnded === null || failures === 0) return [];
  return [afterVain({ times: failures, at: lastEnded.at })];
}

/** Moments before which another backup would be of no use. */
function holdOffs(project: ScheduledProject): number[] {
  const { newestBackup, statedAt, statedEpoch } = project;
  const moments = retryHoldOffs(project);
  if (newestBackup?.partial && newestBackup.beganAt !== null) {
    moments.push(newestBackup.beganAt + intervalMs(project));
  }
  const watchedAnew = newestBackup !== null && statedEpoch !== null && statedEpoch !== newestBackup.epoch;
  if (watchedAnew && statedAt !== null) moments.push(statedAt + Math.min(SCAN_GRACE_MS, intervalMs(project)));
  return moments;
}

/** The same until a backup operation has ended, or other data are there: what a host reports changes nothing of it. */
function keyOf({ id, newestBackup, lastEnded, provisionedAt }: ScheduledProject): string {
  return [id, newestBackup?.id ?? 'none', lastEnded?.operationId ?? 'first', provisionedAt].join('/');
}

function spreadMs({ id, intervalMinutes }: Pick<ScheduledProject, 'id' | 'intervalMinutes'>): number {
  return Math.round(shareOf(id) * Math.min(MAX_SPREAD_MS, (intervalMinutes * MINUTE) / 10));
}

function intervalMs({ intervalMinutes }: Pick<ScheduledProject, 'intervalMinutes'>): number {
  return intervalMinutes * MINUTE;
}
