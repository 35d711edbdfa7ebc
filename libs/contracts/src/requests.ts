import type { Refusal } from './asks.js';

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

export interface LiveEntry {
  name: string;
  type: LiveEntryType;
  size: number;
  /** RFC 3339. */
  mtime: string;
  /** Permission bits as octal text, such as `0644`. */
  mode: string;
}

export interface LiveListing {
  entries: LiveEntry[];
  nextCursor?: string;
}

export interface LiveChunk {
  /** base64 */
  bytes: string;
  size: number;
  /** Changes when the file does: give it back as `expect`, and a chunked read never mixes two versions. */
  token: string;
  eof: boolean;
}

/** Bytes of one chunk of a live file, before base64. */
export const LIVE_CHUNK_BYTES = 512 * 1024;
export const MAX_LIVE_FILE_BYTES = 8 * 1024 * 1024;

export type HostAnswer<T> = { ok: T } | { refused: Refusal };
