import type { RootName } from './host-folders.js';
import type { Finding } from './findings.js';

/** What a restore did, in a form that goes into records and messages. */
export interface RestoreResult {
  /** The backup that was applied: a rustic snapshot id. */
  backupId: string;
  /** The roots that were put in place; the others stayed as they were. */
  roots: RootName[];
  /** Files, folders and all else, the roots included. */
  entries: number;
  /** Absent of what an earlier version has noted. */
  folders?: number;
  /** Of the files' contents. */
  bytes: number;
  /** What could not be made or checked and did not stop the restore: the first of them, and how many there are. */
  problems: Finding[];
  problemCount: number;
}
