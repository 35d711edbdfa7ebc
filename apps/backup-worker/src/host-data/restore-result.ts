import type { ReplacedData } from '@buckets/contracts';
import type { RootName } from './host-folders.js';

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
  /** What was known of the changes of the data that it took the place of; absent where nothing was. */
  replaced?: ReplacedData;
}

/** What can differ between a snapshot's entry and the one on disk. */
export type FindingKind =
  | 'missing'
  | 'extra'
  | 'type'
  | 'size'
  | 'mode'
  | 'owner'
  | 'mtime'
  | 'link-target'
  | 'device'
  | 'xattr'
  /** Which names are hard links to the same file. */
  | 'hard-link'
  /** The same for what is not a regular file, which rustic does not link again. */
  | 'special-hard-link'
  /** Something that could not be looked at. */
  | 'unchecked'
  /** Something that the restoring program complained about. */
  | 'warning'
  /** What the repository does not hold any more. */
  | 'lost'
  /** What stood in a root's place and no record of this assignment accounts for, and where it is now. */
  | 'kept';

export interface Finding {
  kind: FindingKind;
  /** Relative to the project, for people: bytes that are no UTF-8 and control characters are shown as \xNN. */
  path: string;
  detail: string;
}
