import type { ClassConstructor } from 'class-transformer';
import { IsBoolean, IsIn, IsString, Length, Matches, MaxLength } from 'class-validator';
import type { Refusal } from './asks.js';
import { checked, knownPart, type Checked } from './check-data.js';
import { readData } from './envelope.js';
import { Count, Generation, Id, NestedList, Optional } from './shape.js';

/** Bytes of one chunk of a live file, before base64. */
export const LIVE_CHUNK_BYTES = 512 * 1024;
export const MAX_LIVE_FILE_BYTES = 8 * 1024 * 1024;

class FilesStep {
  @Id() projectId!: string;
  @Generation() generation!: number;
}

class StepOnPath extends FilesStep {
  /** As live files name it; empty for the folder of the project. */
  @IsString() @MaxLength(16_384) path!: string;
}

class StepOnUpload extends FilesStep {
  @IsString() @Length(1, 100) uploadId!: string;
}

class ListFiles extends StepOnPath {
  @Count(1) limit!: number;
  @Optional() @IsString() @Length(1, 4000) cursor?: string;
}

class ReadFile extends StepOnPath {
  @Count() offset!: number;
  @Count() length!: number;
  @Optional() @IsString() @Length(1, 200) expect?: string;
}

class BeginWrite extends StepOnPath {
  @Count() size!: number;
}

class WriteChunk extends StepOnUpload {
  @Count() offset!: number;
  /** base64 */
  @IsString() @MaxLength(LIVE_CHUNK_BYTES * 2) bytes!: string;
}

class CommitWrite extends StepOnUpload {
  @Matches(/^[0-9a-f]{64}$/) sha256!: string;
}

class RemoveFile extends StepOnPath {
  @IsBoolean() recursive!: boolean;
}

const FILES_STEPS = {
  list: ListFiles,
  stat: StepOnPath,
  read: ReadFile,
  'begin-write': BeginWrite,
  'write-chunk': WriteChunk,
  'commit-write': CommitWrite,
  'abort-write': StepOnUpload,
  remove: RemoveFile,
};
type FilesSteps = typeof FILES_STEPS;

/** From the control plane to a host, on `buckets.request.<hostId>.files`: one step on a project's live files. */
export type FilesRequest = { [S in keyof FilesSteps]: { do: S } & InstanceType<FilesSteps[S]> }[keyof FilesSteps];

export function readFilesRequest(body: unknown): Checked<FilesRequest> {
  const step = (body as { do?: unknown } | null)?.do;
  if (typeof step !== 'string' || !Object.hasOwn(FILES_STEPS, step)) return { fault: 'do must be one of the steps' };
  const { data, fault } = checked<FilesStep>(FILES_STEPS[step as keyof FilesSteps], body);
  return fault === undefined ? { data: { do: step, ...data } as FilesRequest } : { fault };
}

export const LIVE_ENTRY_TYPES = ['file', 'folder', 'link', 'fifo', 'socket', 'device'] as const;
export type LiveEntryType = (typeof LIVE_ENTRY_TYPES)[number];

/** Entries of a folder in one answer. */
export const MAX_LIVE_ENTRIES = 500;

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
