import type { DataSource } from 'typeorm';
import type { DoubtfulProject, OrphanedProject } from './due-tidyings.js';

/** Reads from the tables which projects' repositories may hold orphans. */
export class OrphansTables {
  constructor(private readonly data: DataSource) {}

  /** A page of the projects on hosts with orphans from before a moment, those aside that are being tidied, by their ids. */
  async orphaned(page: { before: number; after: string; limit: number }): Promise<OrphanedProject[]> {
    const rows = await this.data.query<{ id: string; orphans_since: Date }[]>(ORPHANED, [
      new Date(page.before),
      page.after,
      page.limit,
    ]);
    return rows.map(({ id, orphans_since }) => ({ id, orphansSince: orphans_since.getTime() }));
  }

  /** The same of projects with backups that a deletion may have removed. */
  async doubtful(page: { before: number; after: string; limit: number }): Promise<DoubtfulProject[]> {
    const rows = await this.data.query<{ id: string; doubts_since: Date }[]>(DOUBTFUL, [
      new Date(page.before),
      page.after,
      page.limit,
    ]);
    return rows.map(({ id, doubts_since }) => ({ id, doubtsSince: doubts_since.getTime() }));
  }
}

const ORPHANED = `
  SELECT id, orphans_since FROM scheduler.project AS project
   WHERE host_id IS NOT NULL AND orphans_since <= $1 AND id > $2
     AND NOT EXISTS (SELECT 1 FROM scheduler.operation
                      WHERE project_id = project.id AND NOT ended AND tidies_before IS NOT NULL)
   ORDER BY id LIMIT $3`;

const DOUBTFUL = `
  SELECT id, doubts_since FROM scheduler.project AS project
   WHERE host_id IS NOT NULL AND doubts_since <= $1 AND id > $2
     AND NOT EXISTS (SELECT 1 FROM scheduler.operation
                      WHERE project_id = project.id AND NOT ended AND kind IN ('tidy', 'forget'))
   ORDER BY id LIMIT $3`;
