import type { Response } from 'express';
import { setTimeout as pause } from 'node:timers/promises';
import { isEnded } from '@buckets/contracts';
import type { Projector } from '@buckets/log';
import { Backoff, Problem } from '@buckets/service';
import type { OperationRow } from '../tables/entities.js';
import type { Operations } from './operations.js';
import type { ProgressBoard } from './progress-board.js';

/**
 * Between looks at the durable record, which is the truth whatever becomes of the progress: soon again after what was
 * written meanwhile, and later each time that was about other things.
 */
const BETWEEN_LOOKS = new Backoff({ firstMs: 2, maxMs: 100 });
/** Proxies cut connections that are silent for a minute or so. */
const KEEP_ALIVE_MS = 15_000;
const MAX_STREAMS = 1_000;

/** Streams the life of one operation as server-sent events. */
export class OperationStream {
  private open = 0;

  constructor(
    private readonly operations: Pick<Operations, 'row' | 'view'>,
    private readonly board: Pick<ProgressBoard, 'watch'>,
    private readonly projector: Pick<Projector, 'position' | 'reaches'>,
    private readonly keepAliveMs = KEEP_ALIVE_MS,
  ) {}

  /**
   * Sends until the operation has ended or the signal says that nobody listens any more.
   *
   * @param lastSeen the id of the last event that a reader who comes back has seen
   */
  async send(
    row: OperationRow,
    response: Response,
    { signal, lastSeen }: { signal: AbortSignal; lastSeen?: number },
  ): Promise<void> {
    if (isEnded(row.state) && lastSeen === row.changed_position) {
      response.status(204).end();
      return;
    }
    if (this.open >= MAX_STREAMS) throw tooMany();
    this.open++;
    response.status(200).set({ 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' }).flushHeaders();
    const stopWatching = this.board.watch(row.host_id, row.id, (progress) => {
      // A reader that does not keep up misses progress; it never piles up here.
      if (!response.writableNeedDrain) write(response, 'progress', progress);
    });
    try {
      await this.follow(row, response, signal, lastSeen);
    } finally {
      this.open--;
      stopWatching();
      response.end();
    }
  }

  private async follow(first: OperationRow, response: Response, signal: AbortSignal, lastSeen = -1): Promise<void> {
    let row = first;
    let sent = lastSeen;
    // Of a moment before the row was read: what comes after it is not missed.
    let position = 0;
    let inVain = 0;
    while (!signal.aborted) {
      if (row.changed_position !== sent) {
        write(response, 'state', await this.operations.view(row), row.changed_position);
        sent = row.changed_position;
        inVain = 0;
      }
      if (isEnded(row.state)) return;
      const moved = await this.projector.reaches(position + 1, { deadlineMs: this.keepAliveMs, signal });
      if (!moved && !signal.aborted) response.write(': still here\n\n');
      position = this.projector.position;
      row = await this.operations.row(first.id);
      // The log may be busy with other things all the time.
      if (row.changed_position === sent) await pause(BETWEEN_LOOKS.delayMs(++inVain));
    }
  }
}

function write(response: Response, event: string, data: object, id?: number): void {
  const head = id === undefined ? '' : `id: ${id}\n`;
  response.write(`${head}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

function tooMany(): Problem {
  return new Problem({
    code: 'too-many-streams',
    status: 503,
    detail: `There are ${MAX_STREAMS} streams of operations already. Ask for the operation itself every now and then.`,
    retryAfterSeconds: 30,
  });
}
