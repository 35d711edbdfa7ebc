import type { PartialReason, Retention } from '@buckets/contracts';
import type { DataSource } from 'typeorm';
import type { KeptBackup } from './no-longer-kept.js';

export interface RetainedProject {
  /** Of the project's last event in the tables. */
  position: number;
  retention: Retention;
  backups: KeptBackup[];
}

/** Reads from the tables which backups there are of a project that does not keep all. */
export class RetentionTables {
  constructor(private readonly data: DataSource) {}

  /** A project that keeps less than all, and its backups. */
  async retained(id: string): Promise<RetainedProject | null> {
    const [row] = await this.data.query<Row[]>(RETAINED, [id]);
    if (row === undefined) return null;
    return {
      position: Number(row.position),
      retention: row.retention,
      backups: row.backups.map(
        ({ began_at, began_position, recorded_position, partial_because, in_doubt, ...rest }) => ({
          ...rest,
          beganAt: began_at,
          beganPosition: began_position,
          recordedPosition: recorded_position,
          partialBecause: partial_because,
          inDoubt: in_doubt,
        }),
      ),
    };
  }
}

interface Row {
  position: string;
  retention: Retention;
  backups: {
    id: string;
    /** Milliseconds since 1970: not every moment of the database is one that JavaScript could read as a text. */
    began_at: number;
    began_position: number;
    recorded_position: number;
    partial_because: PartialReason[];
    in_doubt: boolean;
    damaged: boolean;
  }[];
}

const RETAINED = `
  SELECT position, retention,
         (SELECT coalesce(jsonb_agg(jsonb_build_object('id', backup.id,
                   'began_at', extract(epoch FROM backup.began_at) * 1000,
                   'began_position', backup.began_position, 'recorded_position', backup.recorded_position,
                   'partial_because', backup.partial_because, 'in_doubt', backup.in_doubt,
                   'damaged', backup.damaged)), '[]')
            FROM scheduler.backup AS backup WHERE backup.project_id = project.id) AS backups
    FROM scheduler.project AS project
   WHERE id = $1 AND retention IS NOT NULL`;
