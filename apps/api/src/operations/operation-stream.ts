import type { Response } from 'express';
import { isEnded } from '@buckets/contracts';
import type { Caller } from '../access/caller.js';
import type { OperationRow } from '../tables/entities.js';
import type { OperationFollower } from './operation-follower.js';
import type { Operations } from './operations.js';
import type { ProgressBoard } from './progress-board.js';

/** Proxies cut connections that are silent for a minute or so. */
const KEEP_ALIVE_MS = 15_000;
/** Bytes of a stream that wait for its reader. */
const MOST_UNREAD = 256 * 1_024;

/** Who listens, and for how long. */
export interface Reader {
  caller: Caller;
  /** Nobody listens any more. */
  signal: AbortSignal;
  /** The id of the last event that a reader who comes back has seen. */
  lastSeen?: number;
  /** Asked before each state, and whenever all has been quiet for a while. @throws when it is the reader's no more */
  mayStill: () => Promise<void>;
}

/** Streams the life of one operation as server-sent events. */
export class OperationStream {
  constructor(
    private readonly operations: Pick<Operations, 'view'>,
    private readonly board: Pick<ProgressBoard, 'watch'>,
    private readonly follower: OperationFollower,
    private readonly keepAliveMs = KEEP_ALIVE_MS,
  ) {}

  /** Sends until the operation has ended, or its reader is gone. */
  async send(row: OperationRow, response: Response, { caller, signal, lastSeen, mayStill }: Reader): Promise<void> {
    if (isEnded(row.state) && lastSeen === row.changed_position) {
      response.status(204).end();
      return;
    }
    response.status(200).set({ 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' });
    if (response.req.method === 'HEAD') {
      response.end();
      return;
    }
    const changes = this.follower.follow(row, { quietMs: this.keepAliveMs, signal });
    response.flushHeaders();
    const stopWatching = this.board.watch(row.host_id, row.id, (progress) => {
      // A reader that does not keep up misses progress; it never piles up here.
      if (!response.writableNeedDrain) write(response, 'progress', progress);
    });
    try {
      for await (const changed of changes) {
        await mayStill();
        if (isUnread(response, changed === null)) response.destroy();
        else if (changed === null) response.write(': still here\n\n');
        else if (changed.changed_position !== lastSeen) {
          write(response, 'state', await this.operations.view(changed, caller), changed.changed_position);
        }
      }
    } finally {
      stopWatching();
      response.end();
    }
  }
}

/** Whether a reader takes nothing of what is sent, or less than comes: it is cut off, and may come again. */
function isUnread(response: Response, allWasQuiet: boolean): boolean {
  return response.writableLength > MOST_UNREAD || (allWasQuiet && response.writableNeedDrain);
}

function write(response: Response, event: string, data: object, id?: number): void {
  const head = id === undefined ? '' : `id: ${id}\n`;
  response.write(`${head}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}
