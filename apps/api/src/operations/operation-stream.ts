import type { Response } from 'express';
import { setTimeout as pause } from 'node:timers/promises';
import { isEnded, type Progress } from '@buckets/contracts';
import type { OperationRow } from '../tables/entities.js';
import type { Operations } from './operations.js';
import type { ProgressBoard } from './progress-board.js';

/** Milliseconds between looks at the durable record, which is the truth whatever becomes of the progress. */
const LOOK_MS = 250;
/** Proxies cut connections that are silent for a minute or so. */
const KEEP_ALIVE_MS = 15_000;

/** Streams the life of one operation as server-sent events. */
export class OperationStream {
  constructor(
    private readonly operations: Operations,
    private readonly board: ProgressBoard,
  ) {}

  /** Sends until the operation has ended or the signal says that nobody listens any more. */
  async send(first: OperationRow, response: Response, signal: AbortSignal): Promise<void> {
    response.status(200).set({ 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' }).flushHeaders();
    const stopWatching = this.board.watch(first.host_id, first.id, (progress) => {
      // A reader that does not keep up misses progress; it never piles up here.
      if (!response.writableNeedDrain) write(response, 'progress', progress satisfies Progress);
    });
    try {
      let row = first;
      let sent = -1;
      let lastWrite = performance.now();
      for (;;) {
        if (row.changed_position !== sent) {
          write(response, 'state', await this.operations.view(row), row.changed_position);
          sent = row.changed_position;
          lastWrite = performance.now();
        }
        if (isEnded(row.state)) break;
        await pause(LOOK_MS, undefined, { signal });
        if (performance.now() - lastWrite > KEEP_ALIVE_MS) {
          response.write(': still here\n\n');
          lastWrite = performance.now();
        }
        row = await this.operations.row(first.id);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      stopWatching();
      response.end();
    }
  }
}

function write(response: Response, event: string, data: object, id?: number): void {
  const head = id === undefined ? '' : `id: ${id}\n`;
  response.write(`${head}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}
