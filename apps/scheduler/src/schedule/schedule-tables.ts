import type { FreshnessState, Outcome } from '@buckets/contracts';
import type { DataSource } from 'typeorm';
import { AFTER_RESTORE_MS, type ScheduledProject } from './due-backups.js';

/** Reads what the schedule depends on from the tables. */
export class ScheduleTables {
  constructor(private readonly data: DataSource) {}

  /** A page of the projects that have been without protection for their interval, by their ids. */
  async unprotected(page: { now: number; after: string; limit: number }): Promise<ScheduledProject[]> {
    const rows = await this.data.query<UnprotectedRow[]>(UNPROTECTED, [new Date(page.now), page.after, page.limit]);
    return rows.map(scheduled);
  }

  /** The backups that are under way or queued, by host. */
  async openBackups(): Promise<Map<string, number>> {
    const rows = await this.data.query<{ host_id: string; backups: string }[]>(
      `SELECT host_id, count(*) AS backups FROM scheduler.operation WHERE NOT ended AND kind = 'backup' GROUP BY host_id`,
    );
    return new Map(rows.map(({ host_id, backups }) => [host_id, Number(backups)]));
  }
}

interface UnprotectedRow {
  id: string;
  host_id: string;
  backup_interval_minutes: number;
  provisioned_at: Date;
  freshness: FreshnessState;
  stale_since: Date | null;
  stated_at: Date | null;
  stated_epoch: string | null;
  backup_id: string | null;
  backup_began_at: Date | null;
  backup_epoch: string | null;
  backup_partial: boolean | null;
  last_backup_operation_id: string | null;
  last_backup_ended_at: Date | null;
  last_backup_outcome: Outcome | null;
  failed_backups: number;
  restored: boolean;
  busy: boolean;
}

const UNPROTECTED = `
  SELECT project.id, project.host_id, project.backup_interval_minutes, project.provisioned_at,
         coalesce(project.freshness, 'never') AS freshness, project.stale_since, project.stated_at,
         project.stated_epoch, newest.id AS backup_id,
         coalesce(project.restored_position > coalesce(newest.began_position, 0), false) AS restored,
         CASE WHEN newest.began_position > 0 THEN newest.began_at END AS backup_began_at,
         newest.counter->>'epoch' AS backup_epoch, jsonb_array_length(newest.partial_because) > 0 AS backup_partial,
         project.last_backup_operation_id, project.last_backup_ended_at, project.last_backup_outcome,
         project.failed_backups,
         EXISTS (SELECT 1 FROM scheduler.operation WHERE project_id = project.id AND NOT ended
                 AND kind IN ('backup', 'restore', 'provision')) AS busy
    FROM scheduler.project AS project
    LEFT JOIN LATERAL (SELECT * FROM scheduler.backup WHERE project_id = project.id AND NOT in_doubt AND NOT damaged
                       ORDER BY began_position DESC, recorded_position DESC LIMIT 1) AS newest ON true
   WHERE project.provisioned_at IS NOT NULL AND coalesce(project.freshness, 'never') IN ('stale', 'never')
     AND (CASE project.freshness WHEN 'stale' THEN least(project.stale_since, project.stated_at)
               ELSE project.provisioned_at END + make_interval(mins => project.backup_interval_minutes) <= $1
          OR (project.restored_position > coalesce(newest.began_position, 0)
              AND project.provisioned_at <= $1::timestamptz - interval '${AFTER_RESTORE_MS} ms'))
     AND project.id > $2
   ORDER BY project.id LIMIT $3`;

function scheduled(row: UnprotectedRow): ScheduledProject {
  const { last_backup_operation_id: operationId, last_backup_ended_at: endedAt } = row;
  return {
    id: row.id,
    hostId: row.host_id,
    intervalMinutes: row.backup_interval_minutes,
    provisionedAt: row.provisioned_at.getTime(),
    freshness: row.freshness,
    staleSince: row.stale_since?.getTime() ?? null,
    statedAt: row.stated_at?.getTime() ?? null,
    statedEpoch: row.stated_epoch,
    newestBackup:
      row.backup_id === null
        ? null
        : {
            id: row.backup_id,
            beganAt: row.backup_began_at?.getTime() ?? null,
            epoch: row.backup_epoch!,
            partial: row.backup_partial!,
          },
    lastEnded:
      operationId === null || endedAt === null
        ? null
        : { operationId, at: endedAt.getTime(), cancelled: row.last_backup_outcome === 'cancelled' },
    failures: row.failed_backups,
    restoredSinceNewest: row.restored,
    busy: row.busy,
  };
}
