import type { ClassConstructor } from 'class-transformer';
import { IsBoolean, IsIn, IsString, Length, MaxLength } from 'class-validator';
import type { Refusal } from './asks.js';
import { knownPart } from './check-data.js';
import { readData } from './envelope.js';
import { Count, NestedList, Optional } from './shape.js';

/** From the control plane to a host, on `buckets.request.<hostId>.files`: one step on a project's live files. */
export type FilesRequest = { projectId: string; generation: number } & (
  | { do: 'list'; path: string; limit: number; cursor?: string }
  | { do: 'stat'; path: string }
  | { do: 'read'; path: string; offset: number; length: number; expect?: string }
  | { do: 'begin-write'; path: string; size: number }
  | { do: 'write-chunk'; uploadId: string; offset: number; bytes: string }
  | { do: 'commit-write'; uploadId: string; sha256: string }
  | { do: 'abort-write'; uploadId: string }
  | { do: 'remove'; path: string; recursive: boolean }
);

export const LIVE_ENTRY_TYPES = ['file', 'folder', 'link', 'fifo', 'socket', 'device'] as const;
export type LiveEntryType = (typeof LIVE_ENTRY_TYPES)[number];

/** Entries of a folder in one answer. */
export const MAX_LIVE_ENTRIES = 500;

/** Bytes of one chunk of a live file, before base64. */
export const LIVE_CHUNK_BYTES = 512 * 1024;
export const MAX_LIVE_FILE_BYTES = 8 * 1024 * 1024;

export class LiveEntry {
  /** Its bytes, each written with four characters at most. */
  @IsString() @MaxLength(4 * 255) name!: string;
  @IsIn(LIVE_ENTRY_TYPES) type!: LiveEntryType;
  @Count() size!: number;
  /** RFC 3339. */
  @IsString() @MaxLength(40) mtime!: string;
  /** Permission bits as octal text, such as `0644`. */
  @IsString() @MaxLength(10) mode!: string;
}

export class LiveListing {
  @NestedList(LiveEntry, MAX_LIVE_ENTRIES) entries!: LiveEntry[];
  @Optional() @IsString() @Length(1, 2000) nextCursor?: string;
}

export class LiveChunk {
  /** base64 */
  @IsString() @MaxLength(2 * LIVE_CHUNK_BYTES) bytes!: string;
  @Count() size!: number;
  /** Changes when the file does: give it back as `expect`, and a chunked read never mixes two versions. */
  @IsString() @Length(1, 200) token!: string;
  @IsBoolean() eof!: boolean;
}

export class LiveUpload {
  @IsString() @Length(1, 100) uploadId!: string;
}

/** What a host has answered, without what this version does not know. @throws {UnreadableMessage} */
export function readStep<Result extends object>(
  type: ClassConstructor<Result>,
  answer: unknown,
  subject: string,
): Result {
  return knownPart(type, readData(type, answer, subject)) as Result;
}

export type HostAnswer<T> = { ok: T } | { refused: Refusal };
