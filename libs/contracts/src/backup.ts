import { Type } from 'class-transformer';
import {
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsISO8601,
  IsOptional,
  IsString,
  Matches,
  Min,
  ValidateNested,
} from 'class-validator';
import { ChangeCounter } from './counter.js';
import { BACKUP_ID_PATTERN, ID_PATTERN } from './ids.js';
import { CONSISTENCY_MODES, PARTIAL_REASONS, type ConsistencyMode, type PartialReason } from './vocabulary.js';

/** Whether a backup shows one moment. */
export class Consistency {
  @IsIn(CONSISTENCY_MODES) mode!: ConsistencyMode;
  /** Whether the change counter moved while the backup read: a `live` backup may then mix moments. */
  @IsBoolean() movedWhileReading!: boolean;
}

/** Something wrong with one file. The path is people's text: sealed in messages. */
export class FileProblem {
  @IsString() path!: string;
  @IsString() reason!: string;
}

/** The first hundred of a list, and how long it really is. */
export class FileProblems {
  @IsInt() @Min(0) total!: number;
  @IsArray() @ValidateNested({ each: true }) @Type(() => FileProblem) first!: FileProblem[];
}

/** What there is to know of one backup: a fact of its own, whatever became of the operation that made it. */
export class BackupRecord {
  /** The snapshot's id. */
  @Matches(BACKUP_ID_PATTERN) backupId!: string;
  @Matches(ID_PATTERN) operationId!: string;
  /** A backup is as fresh as the moment it began reading. */
  @IsISO8601() beganAt!: string;
  @IsISO8601() endedAt!: string;
  @ValidateNested() @Type(() => ChangeCounter) counter!: ChangeCounter;
  @ValidateNested() @Type(() => Consistency) consistency!: Consistency;
  /** Empty when the backup holds all that there was. */
  @IsIn(PARTIAL_REASONS, { each: true }) partialBecause!: PartialReason[];
  @ValidateNested() @Type(() => FileProblems) unreadable!: FileProblems;
  @IsInt() @Min(0) files!: number;
  @IsInt() @Min(0) folders!: number;
  /** Bytes of all files as read. */
  @IsInt() @Min(0) bytes!: number;
  /** Bytes that were new to the repository, before and after compression. */
  @IsInt() @Min(0) bytesAdded!: number;
  @IsInt() @Min(0) bytesStored!: number;
  @IsInt() @Min(0) filesNew!: number;
  @IsInt() @Min(0) filesChanged!: number;
  @IsOptional() @Matches(BACKUP_ID_PATTERN) parentId?: string;
}

/** What a snapshot's description holds as JSON; a restore refuses a snapshot without it. */
export interface SnapshotDescription {
  layout: 'v2';
  project: string;
  host: string;
  generation: number;
  operation: string;
  counter: ChangeCounter;
  consistency: ConsistencyMode;
  version: string;
}
