import type { DataSource } from 'typeorm';
import { OperationRow } from '../tables/rows.js';
import type { LimitedOperation } from './overdue.js';

/** Reads the operations whose time may be up from the tables. */
export class LimitsTables {
  constructor(private readonly data: DataSource) {}

  /** An operation that has not ended. */
  async open(id: string): Promise<LimitedOperation | null> {
    const row = await this.data.getRepository(OperationRow).findOneBy({ id, ended: false });
    if (row === null) return null;
    return {
      id: row.id,
      projectId: row.project_id,
      hostId: row.host_id,
      began: row.began_position !== null,
      queueUntil: row.queue_until,
      wholeUntil: row.whole_until,
      cancelRequestedAt: row.cancel_requested_at,
    };
  }
}
