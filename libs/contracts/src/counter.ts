import { IsBoolean, IsString, Length } from 'class-validator';
import { Count, Generation, Nested, NestedList, Optional, UnixMs } from './shape.js';

/** How far a project's possible data changes have come. Only counters of the same generation and epoch compare. */
export class ChangeCounter {
  @Generation() generation!: number;
  @IsString() @Length(1, 64) epoch!: string;
  @Count() n!: number;
}

/** When the counter of an epoch first went past `n`; times are for people, counters decide. */
export class FirstChange {
  @IsString() @Length(1, 64) epoch!: string;
  @Count() n!: number;
  /** Milliseconds since 1970, by the host's clock. */
  @UnixMs() at!: number;
}

/** Entries of each list in a report; a report is a message of 64 KiB at most. */
const MAX_TOLD = 500;

/** What a worker knows of one project's changes. The latest one counts; a lost one is repeated. */
export class ChangeReport {
  @Nested(ChangeCounter) counter!: ChangeCounter;
  /** Counters of earlier epochs whose content a scan has shown to equal the present one. */
  @NestedList(ChangeCounter, MAX_TOLD) sameAs!: ChangeCounter[];
  /** For the most recent backups, the first change after each. */
  @NestedList(FirstChange, MAX_TOLD) firstChanges!: FirstChange[];
  @UnixMs() epochBeganAt!: number;
  @Optional() @UnixMs() lastChangeAt?: number;
  /** What told of the last change: `watcher`, `scan`, `fs-api`, … */
  @Optional() @IsString() @Length(1, 64) lastChangeSource?: string;
  /** Whether a watcher sees the project's folders. */
  @IsBoolean() watched!: boolean;
  @IsBoolean() running!: boolean;
  @Optional() @UnixMs() scannedAt?: number;
  /** How long before this report the last look at all of the project began, in milliseconds; absent while there was none. */
  @Optional() @Count() lookedMs?: number;
  /** How often the host means to look at all of it, in milliseconds. A host of an earlier version does not say. */
  @Optional() @Count(1) lookEveryMs?: number;
  /**
   * Why the data cannot be looked at, one of {@link PROJECT_TROUBLES}; nothing is known of them meanwhile. A later version
   * may know others.
   */
  @Optional() @IsString() @Length(1, 64) trouble?: string;
  @UnixMs() at!: number;
}

/** A sign of life of a host, every few seconds. */
export class HostReport {
  @UnixMs() at!: number;
  @IsString() @Length(1, 64) version!: string;
  /** Changes when the worker's process does. */
  @IsString() @Length(1, 64) incarnation!: string;
  @Count() projects!: number;
  @Count() runningOperations!: number;
  @Count() freeBytes!: number;
  /** One of {@link DATA_ROOT_STATES}. But for `here`, the host does nothing. */
  @Optional() @IsString() @Length(1, 64) dataRoot?: string;
  /** Projects of this host whose data cannot be used: each one's own report says why. */
  @Optional() @Count() projectsInTrouble?: number;
  /**
   * The sum of the numbers of the latest report on each project: who has another one has missed a report. A host of an
   * earlier version does not say.
   */
  @Optional() @Count() reported?: number;
  /** The first number that counts for that sum: all was reported anew from there on. */
  @Optional() @Count(1) reportedFrom?: number;
}
