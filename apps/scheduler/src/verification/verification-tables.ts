import type { DataSource } from 'typeorm';

/** A project whose repository is to be looked at. */
export interface DueVerification {
  projectId: string;
  /** The same for every copy of the scheduler and however often it asks, until the verification has ended. */
  key: string;
}

/** Reads from the tables whose repositories nobody has looked at for long. */
export class VerificationTables {
  constructor(private readonly data: DataSource) {}

  /**
   * The projects that were looked at before a moment, the longest ago first; of each host one, and none of a host that has
   * one under way: so they take turns, and a host that is away keeps nobody waiting.
   */
  async due({ before, limit }: { before: number; limit: number }): Promise<DueVerification[]> {
    const rows = await this.data.query<{ id: string; verified_at: Date }[]>(DUE, [new Date(before), limit]);
    return rows.map(({ id, verified_at }) => ({ projectId: id, key: `${id}/verify/${verified_at.getTime()}` }));
  }
}

const DUE = `
  SELECT * FROM (
    SELECT DISTINCT ON (host_id) id, verified_at FROM scheduler.project AS project
     WHERE verified_at <= $1
       AND NOT EXISTS (SELECT 1 FROM scheduler.operation
                        WHERE kind = 'verify' AND NOT ended
                          AND (host_id = project.host_id OR project_id = project.id))
     ORDER BY host_id, verified_at, id) AS due
   ORDER BY verified_at, id LIMIT $2`;
