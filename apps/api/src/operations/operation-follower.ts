import { setTimeout as pause } from 'node:timers/promises';
import { isEnded } from '@buckets/contracts';
import type { Projector } from '@buckets/log';
import { Backoff, Problem } from '@buckets/service';
import type { OperationRow } from '../tables/entities.js';
import type { Operations } from './operations.js';

/** Between looks at an operation: soon again after what was written, later each time that it was about other things. */
const BETWEEN_LOOKS = new Backoff({ firstMs: 2, maxMs: 100 });
const MAX_FOLLOWED = 1_000;

/** Follows operations in the tables, which are the truth whatever becomes of their progress. */
export class OperationFollower {
  private followed = 0;

  constructor(
    private readonly operations: Pick<Operations, 'row'>,
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
    if (this.followed >= MAX_FOLLOWED) throw tooMany();
    return this.changes(first, options);
  }

  /** The operation once it has ended, or as it is after so many milliseconds. @throws {Problem} `too-many-followed` */
  async ending(first: OperationRow, { withinMs, signal }: { withinMs: number; signal: AbortSignal }) {
    let latest = first;
    const over = AbortSignal.any([signal, AbortSignal.timeout(withinMs)]);
    for await (const row of this.follow(first, { quietMs: withinMs, signal: over })) latest = row ?? latest;
    return latest;
  }

  private async *changes(
    first: OperationRow,
    { quietMs, signal }: { quietMs: number; signal: AbortSignal },
  ): AsyncGenerator<OperationRow | null, void> {
    this.followed++;
    try {
      let row = first;
      // Of a moment before the row was read: what comes after it is not missed.
      let position = 0;
      while (!signal.aborted) {
        yield row;
        if (isEnded(row.state)) return;
        const told = row.changed_position;
        let quietUntil = performance.now() + quietMs;
        let inVain = 0;
        while (row.changed_position === told && !signal.aborted) {
          const deadlineMs = Math.ceil(quietUntil - performance.now());
          if (deadlineMs <= 0) {
            yield null;
            quietUntil = performance.now() + quietMs;
            continue;
          }
          if (!(await this.projector.reaches(position + 1, { deadlineMs, signal }))) continue;
          position = this.projector.position;
          row = await this.operations.row(first.id);
          if (row.changed_position === told) await pause(BETWEEN_LOOKS.delayMs(++inVain));
        }
      }
    } finally {
      this.followed--;
    }
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
