import { ObjectNotFound } from '@buckets/object-storage';
import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';

import type { BlobLocation } from './blob-index.js';
import type { PackReader } from './pack-reader.js';
import { plainLength } from './repository-objects.js';
import type { BlobRun } from './tree-entry.js';

/** Neighbours in a pack are read with one request, up to this size… */
const RUN_BYTES = 4 * 1024 * 1024;
/** …and with as much as this between them that nobody asked for. */
const GAP_BYTES = 64 * 1024;
const RUNS_AHEAD = 2;
/** A file of holes has one blob many times, which one request fetches. */
const PIECES_OF_RUN = 4096;
/** Blobs that are looked up in the index in one go. */
const LOOKED_UP_AT_ONCE = 2048;

export interface ContentOptions {
  /** First byte, counted from 0. Default 0. */
  offset?: number;
  /** Number of bytes. Default: all that follow. */
  length?: number;
  signal?: AbortSignal;
}

/**
 * The bytes of a file in pieces, each proven before it is given out. Only the blobs that cover the range are read, up to
 * three requests of 4 MiB ahead (one blob, where blobs are larger).
 */
export async function* readContent(
  reader: PackReader,
  content: readonly BlobRun[],
  { offset = 0, length = Number.POSITIVE_INFINITY, signal }: ContentOptions = {},
): AsyncGenerator<Buffer, void, undefined> {
  const stop = new AbortController();
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const runs = runsOf(piecesOf(reader, content, offset, offset + length));
  const ahead: Promise<Fetched | undefined>[] = [];
  // A file of holes repeats one blob many times.
  let last: { id: string; bytes: Buffer } | undefined;
  try {
    for (;;) {
      while (ahead.length <= RUNS_AHEAD) ahead.push(fetchNext(reader, runs, either));
      const fetched = await ahead.shift();
      if (!fetched) return;
      for (const { id, location, start, end } of fetched.run.pieces) {
        if (last?.id !== id) last = { id, bytes: await provenBlob(reader, fetched, id, location, either) };
        else await reader.objects.turns.after((end - start) / 8);
        yield last.bytes.subarray(start, end);
      }
    }
  } finally {
    stop.abort();
  }
}

/** The number of bytes that the blobs of a file hold together. */
export async function contentLength(reader: PackReader, content: readonly BlobRun[]): Promise<number> {
  return sumOf(reader, content, ({ times }, each) => each * times);
}

/**
 * As `contentLength`, without what comes back as holes: zeros that are repeated. Zeros that stand once may be counted.
 */
export async function filledLength(reader: PackReader, content: readonly BlobRun[], zeros: ZeroBlobs): Promise<number> {
  return sumOf(reader, content, ({ id, times }, each) => (times === 1 || !zeros.include(id, each) ? each * times : 0));
}

/** @param bytesOf what of a run counts, given the bytes of its blob */
async function sumOf(
  reader: PackReader,
  content: readonly BlobRun[],
  bytesOf: (run: BlobRun, each: number) => number,
): Promise<number> {
  let bytes = 0;
  let lookedUp = 0;
  for (const run of content) {
    bytes += bytesOf(run, plainLength(reader.known(run.id) ?? (await reader.locate(run.id))));
    if (++lookedUp % LOOKED_UP_AT_ONCE === 0) await nextTurn();
  }
  return bytes;
}

/** The ids of blobs of nothing but zeros. */
export class ZeroBlobs {
  readonly #ids = new Map<number, string>();

  /** @param length bytes of the blob. Of more than a few lengths, which no program makes, nothing is known. */
  include(id: string, length: number): boolean {
    if (!this.#ids.has(length) && this.#ids.size < LENGTHS_OF_ZEROS && length <= LONGEST_ZEROS) {
      this.#ids.set(length, createHash('sha256').update(Buffer.alloc(length)).digest('hex'));
    }
    return this.#ids.get(length) === id;
  }
}

const LENGTHS_OF_ZEROS = 16;
const LONGEST_ZEROS = 8 * 1024 * 1024;

/** What is wanted of one blob. */
interface Piece {
  id: string;
  location: BlobLocation;
  start: number;
  end: number;
}

/** Pieces that one request fetches. */
interface Run {
  pieces: Piece[];
  pack: string;
  offset: number;
  end: number;
}

interface Fetched {
  run: Run;
  /** Undefined when the pack is gone. */
  bytes: Buffer | undefined;
}

async function* piecesOf(
  reader: PackReader,
  content: readonly BlobRun[],
  offset: number,
  end: number,
): AsyncGenerator<Piece, void, undefined> {
  let at = 0;
  for (const { id, times } of content) {
    if (at >= end) return;
    const location = await reader.locate(id);
    const length = plainLength(location);
    // Straight to where the range begins and ends, however often the blob is repeated.
    const first = Math.min(times, Math.max(0, Math.floor((offset - at) / length)));
    const last = Math.min(times, Math.ceil((end - at) / length));
    for (let time = first; time < last; time++) {
      const begins = at + time * length;
      const piece = { id, location, start: Math.max(0, offset - begins), end: Math.min(length, end - begins) };
      if (piece.start < piece.end) yield piece;
    }
    at += times * length;
  }
}

async function* runsOf(pieces: AsyncIterable<Piece>): AsyncGenerator<Run, void, undefined> {
  let run: Run | undefined;
  for await (const piece of pieces) {
    const { pack, offset, length } = piece.location;
    const end = offset + length;
    const isFull = run !== undefined && run.pieces.length >= PIECES_OF_RUN;
    if (
      !isFull &&
      run?.pack === pack &&
      offset >= run.offset &&
      offset <= run.end + GAP_BYTES &&
      end - run.offset <= RUN_BYTES
    ) {
      run.pieces.push(piece);
      run.end = Math.max(run.end, end);
    } else {
      if (run) yield run;
      run = { pieces: [piece], pack, offset, end };
    }
  }
  if (run) yield run;
}

function fetchNext(reader: PackReader, runs: AsyncGenerator<Run>, signal: AbortSignal): Promise<Fetched | undefined> {
  const fetching = (async () => {
    const next = await runs.next();
    if (next.done === true) return undefined;
    const run = next.value;
    try {
      return { run, bytes: await reader.objects.packBytes(run.pack, run.offset, run.end - run.offset, signal) };
    } catch (error) {
      if (error instanceof ObjectNotFound) return { run, bytes: undefined };
      throw error;
    }
  })();
  // Whoever comes to it gets the failure; a reader who stops before does not care.
  fetching.catch(() => undefined);
  return fetching;
}

async function provenBlob(
  reader: PackReader,
  { run, bytes }: Fetched,
  id: string,
  location: BlobLocation,
  signal: AbortSignal,
): Promise<Buffer> {
  if (!bytes) return reader.dataBlob(id, signal);
  const start = location.offset - run.offset;
  return reader.objects.blob(id, location, bytes.subarray(start, start + location.length));
}
