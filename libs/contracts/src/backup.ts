import { IsBoolean, IsIn, IsString, MaxLength } from 'class-validator';
import { ChangeCounter } from './counter.js';
import { MAX_LISTED } from './envelope.js';
import { BackupId, Count, Id, List, Moment, Nested, NestedList, Optional } from './shape.js';
import { CONSISTENCY_MODES, PARTIAL_REASONS, type ConsistencyMode, type PartialReason } from './vocabulary.js';

/** Whether a backup shows one moment. */
export class Consistency {
  @IsIn(CONSISTENCY_MODES) mode!: ConsistencyMode;
  /** Whether the change counter moved while the backup read: a `live` backup may then mix moments. */
  @IsBoolean() movedWhileReading!: boolean;
}

/** Characters of a sealed text that stands in a list. */
const MAX_SEALED = 4096;

/** Something wrong with one file. The path is people's text: sealed in messages. */
export class FileProblem {
  @IsString() @MaxLength(MAX_SEALED) path!: string;
  @IsString() @MaxLength(MAX_SEALED) reason!: string;
}

/** The first hundred of a list, and how long it really is. */
export class FileProblems {
  @Count() total!: number;
  @NestedList(FileProblem, MAX_LISTED) first!: FileProblem[];
}

/** The first hundred of a list of texts, and how long it really is. People's text: sealed in messages. */
export class Sayings {
  @Count() total!: number;
  @List(MAX_LISTED) @IsString({ each: true }) @MaxLength(MAX_SEALED, { each: true }) first!: string[];
}

/** What there is to know of one backup: a fact of its own, whatever became of the operation that made it. */
export class BackupRecord {
  /** The snapshot's id. */
  @BackupId() backupId!: string;
  @Id() operationId!: string;
  /** A backup is as fresh as the moment it began reading. */
  @Moment() beganAt!: string;
  @Moment() endedAt!: string;
  @Nested(ChangeCounter) counter!: ChangeCounter;
  @Nested(Consistency) consistency!: Consistency;
  /** Empty when the backup holds all that there was. */
  @List(PARTIAL_REASONS.length) @IsIn(PARTIAL_REASONS, { each: true }) partialBecause!: PartialReason[];
  /** What could not be read, or not whole. Paths are in the form in which live files are named. */
  @Nested(FileProblems) unreadable!: FileProblems;
  /** What was removed while the backup read: no loss. */
  @Optional() @Nested(FileProblems) vanished?: FileProblems;
  /** What rustic said that names no file and may be a loss, word for word. */
  @Optional() @Nested(Sayings) warnings?: Sayings;
  @Count() files!: number;
  @Count() folders!: number;
  /** Bytes of all files as read. */
  @Count() bytes!: number;
  /** Bytes that were new to the repository, before and after compression. */
  @Count() bytesAdded!: number;
  @Count() bytesStored!: number;
  @Count() filesNew!: number;
  @Count() filesChanged!: number;
  @Optional() @BackupId() parentId?: string;
  /**
   * Files that grew or were cut while they were read: the backup has what was read of them, and lacks nothing. Only a
   * backup that was proven restorable by its trees says this.
   */
  @Optional() @Nested(FileProblems) changedWhileRead?: FileProblems;
  /** Whether what read the files could see nothing else of its host; of old, nobody knows. */
  @Optional() @IsBoolean() confined?: boolean;
  /**
   * Milliseconds since 1970 by the host's clock. A file that is found as it stands in this backup, its last change (ctime)
   * before this moment, holds what it holds here: any later store would have given it another ctime. Where nobody knows
   * such a moment, it says nothing, and the next backup reads all.
   */
  @Optional() @Count() settledBefore?: number;
}

/** Whether it lacks some files at most. The product restores no other by itself, and no other stands for the data. */
export function isRestorable(partialBecause: readonly PartialReason[]): boolean {
  return !partialBecause.some(isSuspicion);
}

/** What is wrong with a backup once it is accepted as what the project is now: small is no fault any more. */
export function onceAccepted(partialBecause: readonly PartialReason[]): PartialReason[] {
  return partialBecause.filter((reason) => !isSuspicion(reason));
}

function isSuspicion(reason: PartialReason): boolean {
  return reason === 'empty' || reason === 'shrunken';
}

/** Where a backup stands among the others of its project: by facts of the log, and by no clock. */
export interface Placed {
  /** The position at which its operation was first allowed to begin; 0 when nobody knows that any more. */
  beganPosition: number;
  /** The position at which it was recorded. */
  recordedPosition: number;
}

/**
 * The order of a project's backups, for every choice among them: the newest is the one that was allowed to begin last.
 * When it began by its host's clock says nothing, as clocks differ and jump. Those of one operation began alike: of
 * them the one that was told last is the newest.
 */
export function newestFirst<Backup extends Placed>(backups: readonly Backup[]): Backup[] {
  return backups.toSorted((a, b) => b.beganPosition - a.beganPosition || b.recordedPosition - a.recordedPosition);
}
