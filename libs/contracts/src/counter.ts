import { IsArray, IsBoolean, IsInt, IsOptional, IsString, Length, Max, Min, ValidateNested } from 'class-validator';
import { Type } from 'class-transformer';

/** How far a project's possible data changes have come. Only counters of the same generation and epoch compare. */
export class ChangeCounter {
  @IsInt() @Min(1) generation!: number;
  @IsString() @Length(1, 64) epoch!: string;
  @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) n!: number;
}

/** When the counter of an epoch first went past `n`; times are for people, counters decide. */
export class FirstChange {
  @IsString() @Length(1, 64) epoch!: string;
  @IsInt() @Min(0) n!: number;
  /** Milliseconds since 1970, by the host's clock. */
  @IsInt() at!: number;
}

/** What a worker knows of one project's changes. The latest one counts; a lost one is repeated. */
export class ChangeReport {
  @ValidateNested() @Type(() => ChangeCounter) counter!: ChangeCounter;
  /** Counters of earlier epochs whose content a scan has shown to equal the present one. */
  @IsArray() @ValidateNested({ each: true }) @Type(() => ChangeCounter) sameAs!: ChangeCounter[];
  /** For the most recent backups, the first change after each. */
  @IsArray() @ValidateNested({ each: true }) @Type(() => FirstChange) firstChanges!: FirstChange[];
  @IsInt() epochBeganAt!: number;
  @IsOptional() @IsInt() lastChangeAt?: number;
  /** What told of the last change: `watcher`, `scan`, `fs-api`, … */
  @IsOptional() @IsString() @Length(1, 64) lastChangeSource?: string;
  /** Whether a watcher sees the project's folders. */
  @IsBoolean() watched!: boolean;
  @IsBoolean() running!: boolean;
  @IsOptional() @IsInt() scannedAt?: number;
  @IsInt() at!: number;
}

/** A sign of life of a host, every few seconds. */
export class HostReport {
  @IsInt() at!: number;
  @IsString() @Length(1, 64) version!: string;
  /** Changes when the worker's process does. */
  @IsString() @Length(1, 64) incarnation!: string;
  @IsInt() @Min(0) projects!: number;
  @IsInt() @Min(0) runningOperations!: number;
  @IsInt() @Min(0) freeBytes!: number;
}
