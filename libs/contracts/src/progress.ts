import { IsIn, IsInt, IsOptional, Min } from 'class-validator';
import { PHASES, type Phase } from './vocabulary.js';

/** Best effort: the latest one counts, and its loss never matters. */
export class Progress {
  @IsIn(PHASES) phase!: Phase;
  @IsInt() @Min(1) attempt!: number;
  @IsInt() @Min(0) bytesDone!: number;
  @IsOptional() @IsInt() @Min(0) bytesTotal?: number;
  @IsOptional() @IsInt() @Min(0) filesDone?: number;
  @IsOptional() @IsInt() @Min(0) filesTotal?: number;
  /** Bytes per second of late. */
  @IsOptional() @IsInt() @Min(0) rate?: number;
  @IsOptional() @IsInt() @Min(0) secondsRemaining?: number;
  /** Milliseconds since 1970. */
  @IsInt() at!: number;
}
