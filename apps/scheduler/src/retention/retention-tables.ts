import type { PartialReason, Retention } from '@buckets/contracts';
import type { DataSource } from 'typeorm';
import type { KeptBackup } from './no-longer-kept.js';

export interface RetainedProject {
  id: string;
  retention: Retention;
  backups: KeptBackup[];
}

/** Reads from the tables which backups there are of projects that do not keep all. */
export class RetentionTables {
  constructor(private readonly data: DataSource) {}

  /** A page of the projects with a retention, those aside of which a backup is being deleted, by their ids. */
  async retained(page: { after: string; limit: number }): Promise<RetainedProject[]> {
    const rows = await this.data.query<Row[]>(RETAINED, [page.after, page.limit]);
    return rows.map(({ id, retention, backups }) => ({
      id,
      retention,
      backups: backups.map(({ began_at, partial_because, ...rest }) => ({
        ...rest,
        beganAt: Date.parse(began_at),
        partialBecause: partial_because,
      })),
    }));
  }
}

interface Row {
  id: string;
  retention: Retention;
  backups: { id: string; generation: number; began_at: string; partial_because: PartialReason[] }[];
}

const RETAINED = `
  SELECT id, retention,
         (SELECT coalesce(jsonb_agg(jsonb_build_object('id', backup.id, 'generation', backup.counter -> 'generation',
                   'began_at', backup.began_at, 'partial_because', backup.partial_because)), '[]')
            FROM scheduler.backup AS backup WHERE backup.project_id = project.id) AS backups
    FROM scheduler.project AS project
   WHERE retention IS NOT NULL AND id > $1
     AND NOT EXISTS (SELECT 1 FROM scheduler.operation
                      WHERE project_id = project.id AND NOT ended AND kind = 'forget')
   ORDER BY id LIMIT $2`;
