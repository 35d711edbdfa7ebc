import { dueBackup, type ScheduledProject } from '../when/backup.js';
import type { DueMoment } from '../when/due-moment.js';
import { dueLimits } from '../when/limits.js';
import { dueRetention } from '../when/retention.js';
import { dueTidyings } from '../when/tidying.js';
import { dueVerification } from '../when/verification.js';
import type { BackupRow, OperationRow, ProjectRow } from './rows.js';

/** The work that falls due for a project as things stand, and whose turn it takes. */
export type DueWork = DueMoment & { lane: string };

/** A project's rows, with the newest backup that is there for certain and of which nothing is lost. */
export interface KnownProject {
  project: ProjectRow;
  operations: readonly OperationRow[];
  newestBackup: NewestBackup | null;
}

export type NewestBackup = Pick<BackupRow, 'id' | 'began_at' | 'began_position' | 'counter' | 'partial_because'>;

/** Whether the newest backup counts for what is due. */
export function needsNewestBackup({ provisioned_at, freshness }: ProjectRow): boolean {
  return provisioned_at !== null && (freshness === null || freshness === 'stale' || freshness === 'never');
}

/**
 * All that falls due for a project as its rows stand. Work of the project takes a turn of its host, the end of an operation
 * one of the operation's. Pure.
 */
export function dueOfProject(known: KnownProject): DueWork[] {
  const { project } = known;
  const operations = known.operations.filter(({ ended }) => !ended);
  const limits = operations.flatMap((operation) =>
    dueLimits(limited(operation)).map((due) => ({ ...due, lane: operation.host_id })),
  );
  const lane = project.host_id;
  // Nobody could do anything for a project that has no host.
  if (lane === null) return limits;
  const { id, verified_at, last_verify_position, in_vain, orphans_since, doubts_since, kept_at, kept_position } =
    project;
  const isOpen = (...kinds: OperationRow['kind'][]): boolean => operations.some(({ kind }) => kinds.includes(kind));
  const ofProject = [
    ...dueBackup(scheduled(known, isOpen('backup', 'restore', 'provision'))),
    ...dueRetention({
      id,
      retains: project.retention !== null,
      changed: { position: kept_position, at: kept_at },
      inVain: in_vain.forget,
      deleting: isOpen('forget'),
    }),
    ...dueTidyings({
      id,
      orphansSince: orphans_since,
      doubtsSince: doubts_since,
      inVain: in_vain.tidy,
      removing: operations.some(({ tidies_before }) => tidies_before !== null),
      looking: isOpen('tidy', 'forget'),
    }),
    ...dueVerification({
      id,
      verifiedAt: verified_at,
      lastPosition: last_verify_position,
      inVain: in_vain.verify,
      verifying: isOpen('verify'),
    }),
  ];
  return [...ofProject.map((due) => ({ ...due, lane })), ...limits];
}

function limited(row: OperationRow): Parameters<typeof dueLimits>[0] {
  return {
    id: row.id,
    began: row.began_position !== null,
    queueUntil: row.queue_until,
    wholeUntil: row.whole_until,
    cancelRequestedAt: row.cancel_requested_at,
  };
}

function scheduled({ project, newestBackup }: KnownProject, busy: boolean): ScheduledProject {
  const { last_backup_operation_id: operationId, last_backup_ended_at: endedAt, restored_position } = project;
  return {
    id: project.id,
    intervalMinutes: project.backup_interval_minutes,
    provisionedAt: project.provisioned_at,
    freshness: project.freshness ?? 'never',
    staleSince: project.stale_since,
    statedAt: project.stated_at,
    statedEpoch: project.stated_epoch,
    newestBackup:
      newestBackup === null
        ? null
        : {
            id: newestBackup.id,
            beganAt: newestBackup.began_position > 0 ? newestBackup.began_at : null,
            epoch: newestBackup.counter.epoch,
            partial: newestBackup.partial_because.length > 0,
          },
    lastEnded:
      operationId === null || endedAt === null
        ? null
        : { operationId, at: endedAt, cancelled: project.last_backup_outcome === 'cancelled' },
    failures: project.failed_backups,
    restoredSinceNewest: restored_position !== null && restored_position > (newestBackup?.began_position ?? 0),
    busy,
  };
}
