import { dirname } from 'node:path';
import { mountsAt } from '../file-system/mount-points.js';
import type { ChangeLedger } from './change-ledger.js';
import type { ProjectWatch } from './project-watch.js';
import type { ReportSchedule } from './report-schedule.js';
import type { ScanSchedule } from './scan-schedule.js';

/** A project that is looked after. Moments are those of `performance.now()`, but for `scannedAt`, which is for people. */
export interface TrackedProject {
  readonly projectId: string;
  readonly roots: readonly string[];
  readonly ledger: ChangeLedger;
  readonly watch: ProjectWatch;
  readonly schedule: ScanSchedule;
  readonly reports: ReportSchedule;
  running: boolean;
  /** How often something was mounted in it, or taken away. */
  remounts: number;
  /** The worker puts other data in its place: nothing is reported meanwhile. */
  swapping: boolean;
  raisedUnwatchedAt: number;
  scannedAt?: number;
  /** When the last look at all of it began. */
  lookedAt?: number | undefined;
  /** When a flush would settle what a backup was about to read; undefined once there was one. */
  settlesAt?: number | undefined;
}

/** Somebody may be writing, and nobody sees it. */
export function isBlind({ running, watch }: TrackedProject): boolean {
  return running && !watch.watched;
}

/** What is mounted in the folders of the project, as a text that is another when that is. */
export async function mountsOf(project: TrackedProject): Promise<string> {
  return (await Promise.all(foldersOf(project).map(mountsAt))).join('\n');
}

/** The folders above the roots. */
export function foldersOf({ roots }: TrackedProject): string[] {
  return [...new Set(roots.map((root) => dirname(root)))];
}
