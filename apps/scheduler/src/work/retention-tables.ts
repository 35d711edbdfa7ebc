import type { PartialReason, Retention } from '@buckets/contracts';
import type { DataSource } from 'typeorm';
import type { KeptBackup } from './no-longer-kept.js';

export interface RetainedProject {
  /** Of the project's last event in the tables. */
  position: number;
  retention: Retention;
  /**
   * As many as it takes to know which of the oldest are no longer kept, and not all: which of the others are kept is not to be
   * told by these.
   */
  backups: KeptBackup[];
}

/** Reads from the tables what it takes to know what a project that does not keep all keeps no longer. */
export class RetentionTables {
  constructor(private readonly data: DataSource) {}

  /** A project that keeps less than all, and as many of its backups as its retention is about, however many it has. */
  async retained(id: string): Promise<RetainedProject | null> {
    const [row] = await this.data.query<Row[]>(RETAINED, [id]);
    if (row === undefined) return null;
    return {
      position: Number(row.position),
      retention: row.retention,
      backups: row.backups.map(
        ({ began_at, began_position, recorded_position, partial_because, in_doubt, is_last, ...rest }) => ({
          ...rest,
          beganAt: began_at,
          beganPosition: began_position,
          recordedPosition: recorded_position,
          partialBecause: partial_because,
          inDoubt: in_doubt,
          isLast: is_last,
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
    is_last: boolean;
  }[];
}

/** Beyond those that are kept so many of the oldest, of each sort, are looked at. */
const CANDIDATES = 10;
/** So many days more than a retention is about: those that a clock has set which was wrong are not among the newest by the log. */
const MORE_DAYS = 100;

/**
 * Of each sort: the one that is the last of the newest so many; the newest of each of the latest days, which are those of the
 * latest weeks and months, too; and the oldest that are not among the newest so many, more of them than periods can keep. Each
 * is found by an index. Whatever these show to be kept no longer is kept no longer by all of them.
 */
const RETAINED = `
  WITH project AS MATERIALIZED (
    SELECT id, position, retention, greatest(1, rule.last) AS last,
           1 + coalesce(daily, 0) + coalesce(weekly, 0) + coalesce(monthly, 0) AS kept,
           greatest(daily, 7 * weekly, 31 * monthly) + ${MORE_DAYS} AS days
      FROM scheduler.project
     CROSS JOIN LATERAL jsonb_to_record(retention) AS rule (last int, daily int, weekly int, monthly int)
     WHERE id = $1 AND retention IS NOT NULL)
  SELECT position, retention,
         (SELECT coalesce(jsonb_agg(jsonb_build_object('id', backup.id,
                   'began_at', extract(epoch FROM backup.began_at) * 1000,
                   'began_position', backup.began_position, 'recorded_position', backup.recorded_position,
                   'partial_because', backup.partial_because, 'in_doubt', backup.in_doubt, 'damaged', backup.damaged,
                   'is_last', (backup.began_position, backup.recorded_position)
                                >= (edge.began_position, edge.recorded_position))), '[]')
            FROM unnest('{good,flagged,damaged}'::text[]) AS sorts (sort)
           CROSS JOIN LATERAL (
             SELECT id, began_position, recorded_position FROM scheduler.backup
              WHERE project_id = project.id AND sort = sorts.sort AND NOT in_doubt
              ORDER BY began_position DESC, recorded_position DESC OFFSET project.last - 1 LIMIT 1) AS edge
           CROSS JOIN LATERAL (
             SELECT edge.id
              UNION
             (SELECT id FROM scheduler.backup
               WHERE project_id = project.id AND sort = sorts.sort AND NOT in_doubt
                 AND (began_position, recorded_position) < (edge.began_position, edge.recorded_position)
               ORDER BY began_position, recorded_position LIMIT project.kept + ${CANDIDATES})
              UNION
             (WITH RECURSIVE newest AS (
                (SELECT id, day FROM scheduler.backup
                  WHERE project_id = project.id AND sort = sorts.sort AND NOT in_doubt AND project.days IS NOT NULL
                  ORDER BY day DESC, began_position DESC, recorded_position DESC LIMIT 1)
                 UNION ALL
                SELECT earlier.id, earlier.day FROM newest CROSS JOIN LATERAL (
                  SELECT id, day FROM scheduler.backup
                   WHERE project_id = project.id AND sort = sorts.sort AND NOT in_doubt AND day < newest.day
                   ORDER BY day DESC, began_position DESC, recorded_position DESC LIMIT 1) AS earlier)
              SELECT id FROM newest LIMIT project.days)) AS looked_at
           CROSS JOIN LATERAL (
             SELECT * FROM scheduler.backup WHERE project_id = project.id AND id = looked_at.id LIMIT 1) AS backup) AS backups
    FROM project`;
