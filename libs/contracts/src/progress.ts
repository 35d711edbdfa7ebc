import { IsIn } from 'class-validator';
import { knownPart } from './check-data.js';
import { decode, readData } from './envelope.js';
import { Count, Optional, UnixMs } from './shape.js';
import { PHASES, type Phase } from './vocabulary.js';

/** Best effort: the latest one counts, and its loss never matters. */
export class Progress {
  @IsIn(PHASES) phase!: Phase;
  @Count(1) attempt!: number;
  @Count() bytesDone!: number;
  @Optional() @Count() bytesTotal?: number;
  @Optional() @Count() filesDone?: number;
  @Optional() @Count() filesTotal?: number;
  /** Bytes per second of late. */
  @Optional() @Count() rate?: number;
  @Optional() @Count() secondsRemaining?: number;
  /** Milliseconds since 1970. */
  @UnixMs() at!: number;
}

/** What a host says and this version does not know is left out: it is shown to people. @throws {UnreadableMessage} */
export function readProgress(subject: string, bytes: Uint8Array): Progress {
  return knownPart(Progress, readData(Progress, decode(subject, bytes).data, subject)) as Progress;
}
