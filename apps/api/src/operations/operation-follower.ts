import { setTimeout as pause } from 'node:timers/promises';
import { isEnded } from '@buckets/contracts';
import type { Projector } from '@buckets/log';
import { Problem } from '@buckets/service';
import type { OperationRow } from '../tables/entities.js';
import type { Operations } from './operations.js';

/** Milliseconds between two looks for everybody: the log may be busy all the time. */
const BETWEEN_LOOKS_MS = 20;
/** The wait for the tables to move ends now and then, so that the looking ends when nobody follows any more. */
const LOOK_AGAIN_MS = 1_000;
const MAX_FOLLOWED = 1_000;

/** Follows operations in the tables, which are the truth whatever becomes of their progress: one look serves everybody. */
export class OperationFollower {
  private readonly readers = new Set<Reader>();
  private looking = false;
  private joined = Promise.withResolvers<void>();

  constructor(
    private readonly operations: Pick<Operations, 'changedSince'>,
    private readonly projector: Pick<Projector, 'position' | 'reaches'>,
  ) {}

  /**
   * The operation as it is, and again each time that it has changed, until it has ended or the signal says that nobody
   * listens any more; null whenever nothing has changed for `quietMs` milliseconds.
   *
   * @throws {Problem} `too-many-followed`
   */
  follow(
    first: OperationRow,
    options: { quietMs: number; signal: AbortSignal },
  ): AsyncGenerator<OperationRow | null, void> {
    if (this.readers.size >= MAX_FOLLOWED) throw tooMany();
    const reader = new Reader(first);
    this.readers.add(reader);
    this.joined.resolve();
    return this.changes(reader, options);
  }

  /** The operation once it has ended, or as it is after so many milliseconds. @throws {Problem} `too-many-followed` */
  async ending(first: OperationRow, { withinMs, signal }: { withinMs: number; signal: AbortSignal }) {
    let latest = first;
    const over = AbortSignal.any([signal, AbortSignal.timeout(withinMs)]);
    for await (const row of this.follow(first, { quietMs: withinMs, signal: over })) latest = row ?? latest;
    return latest;
  }

  private async *changes(
    reader: Reader,
    { quietMs, signal }: { quietMs: number; signal: AbortSignal },
  ): AsyncGenerator<OperationRow | null, void> {
    try {
      for (let row: OperationRow | null = reader.latest; !signal.aborted;) {
        yield row;
        if (isEnded(reader.latest.state)) return;
        if (!this.looking) void this.look();
        row = await reader.next(quietMs, signal);
      }
    } finally {
      this.readers.delete(reader);
    }
  }

  /** What is followed, and at which position whoever has seen the least of it knows it. */
  private known(): Map<string, number> {
    const known = new Map<string, number>();
    for (const { latest } of this.readers) {
      known.set(latest.id, Math.min(latest.changed_position, known.get(latest.id) ?? Infinity));
    }
    return known;
  }

  /** Looks for all who follow, whenever the tables have moved or somebody has joined, until nobody follows. */
  private async look(): Promise<void> {
    this.looking = true;
    try {
      while (this.readers.size > 0) {
        this.joined = Promise.withResolvers();
        // Of a moment before the rows are read: what comes after it is not missed.
        const { position } = this.projector;
        const rows = new Map((await this.operations.changedSince(this.known())).map((row) => [row.id, row]));
        for (const reader of this.readers) reader.show(rows.get(reader.latest.id));
        const over = new AbortController();
        const moved = this.projector.reaches(position + 1, { deadlineMs: LOOK_AGAIN_MS, signal: over.signal });
        await Promise.race([moved, this.joined.promise]);
        over.abort();
        await pause(BETWEEN_LOOKS_MS);
      }
    } catch (error) {
      for (const reader of this.readers) reader.fail(error);
    } finally {
      this.looking = false;
    }
  }
}

/** One who follows an operation. */
class Reader {
  private isNew = false;
  private failure: { error: unknown } | undefined;
  private change = Promise.withResolvers<void>();

  constructor(public latest: OperationRow) {}

  show(row: OperationRow | undefined): void {
    if (row === undefined || row.changed_position <= this.latest.changed_position) return;
    this.latest = row;
    this.isNew = true;
    this.change.resolve();
  }

  fail(error: unknown): void {
    this.failure = { error };
    this.change.resolve();
  }

  /** Null when nothing has changed within so many milliseconds, or the signal aborts. @throws what the look has thrown */
  async next(withinMs: number, signal: AbortSignal): Promise<OperationRow | null> {
    if (!this.isNew && this.failure === undefined && !signal.aborted) {
      this.change = Promise.withResolvers();
      const wake = (): void => this.change.resolve();
      const timer = setTimeout(wake, withinMs);
      signal.addEventListener('abort', wake);
      await this.change.promise;
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
    }
    if (this.failure !== undefined) throw this.failure.error;
    const row = this.isNew ? this.latest : null;
    this.isNew = false;
    return row;
  }
}

function tooMany(): Problem {
  return new Problem({
    code: 'too-many-followed',
    status: 503,
    detail: `${MAX_FOLLOWED} callers follow operations already. Ask for the operation itself every now and then.`,
    retryAfterSeconds: 30,
  });
}
