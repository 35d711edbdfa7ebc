import type { DataSource } from 'typeorm';
import type { LimitedOperation } from './overdue.js';

/** Reads the operations whose time may be up from the tables. */
export class LimitsTables {
  constructor(private readonly data: DataSource) {}

  /** A page of the open operations that had reached a limit at a moment, by their ids. */
  async reached(page: {
    now: number;
    cancelLimitMs: number;
    after: string;
    limit: number;
  }): Promise<LimitedOperation[]> {
    const { now, cancelLimitMs, after, limit } = page;
    const rows = await this.data.query<ReachedRow[]>(REACHED, [
      new Date(now),
      new Date(now - cancelLimitMs),
      after,
      limit,
    ]);
    return rows.map((row) => ({
      id: row.id,
      projectId: row.project_id,
      hostId: row.host_id,
      began: row.began,
      queueUntil: row.queue_until.getTime(),
      wholeUntil: row.whole_until.getTime(),
      cancelRequestedAt: row.cancel_requested_at?.getTime() ?? null,
    }));
  }
}

interface ReachedRow {
  id: string;
  project_id: string;
  host_id: string;
  began: boolean;
  queue_until: Date;
  whole_until: Date;
  cancel_requested_at: Date | null;
}

/** One index for each limit. */
const REACHED = `
  SELECT id, project_id, host_id, began_position IS NOT NULL AS began, queue_until, whole_until, cancel_requested_at
    FROM scheduler.operation
   WHERE id IN (SELECT id FROM scheduler.operation WHERE NOT ended AND began_position IS NULL AND queue_until <= $1
                UNION SELECT id FROM scheduler.operation WHERE NOT ended AND whole_until <= $1
                UNION SELECT id FROM scheduler.operation
                       WHERE NOT ended AND cancel_requested_at IS NOT NULL AND cancel_requested_at <= $2)
     AND id > $3
   ORDER BY id LIMIT $4`;
