import {
  DEFAULT_LIMITS,
  leavesInDoubt,
  onceAccepted,
  operationEvent,
  ROOTS,
  storedRetention,
  type CancelRequested,
  type LoggedEvent,
  type OperationBegan,
  type OperationEnded,
  type OperationEvent,
  type OperationKind,
  type OperationRequested,
  type Outcome,
} from '@buckets/contracts';
import { doubtsAfterDeletion, doubtsAfterTidying, settledDoubts } from './doubts.js';
import { withOutsideChange } from './outside-changes.js';
import { orphansAfterBackup, orphansAfterTidying, tidiesBefore } from './orphans.js';
import type { BackupRow, OperationRow, ProjectRow } from './rows.js';

/** One project's rows. Rows are never changed, only replaced: what is another object has to be written. */
export interface ProjectRows {
  project: ProjectRow;
  operations: readonly OperationRow[];
  /** The backups that events are about, as they are now; null for one that was deleted. */
  backups: ReadonlyMap<string, BackupRow | null>;
}

/** The backup operations that are remembered after their end: a late record says when the backup was allowed to begin. */
export const REMEMBERED_BACKUPS = 20;

/** A project's rows after one more of its events. Null for a project that does not exist. */
export function evolve(rows: ProjectRows | null, event: LoggedEvent<'project'>): ProjectRows | null {
  if (event.type === 'created') return created(event);
  if (event.type === 'recovered') return recovered(event);
  if (rows === null) return null;
  const { position } = event;
  const kept = changesWhatIsKept(event) ? { kept_position: position, kept_at: Date.parse(event.time) } : {};
  const next = evolveKnown(rows, event);
  return { ...next, project: { ...next.project, ...kept, position } };
}

/** Whether other backups may be kept after it. */
function changesWhatIsKept(event: LoggedEvent<'project'>): boolean {
  if (event.type === 'updated') return event.data.retention !== undefined;
  const operation = operationEvent(event.type);
  return operation === null ? CHANGES_BACKUPS.has(event.type) : operation.kind === 'forget';
}

const CHANGES_BACKUPS: ReadonlySet<string> = new Set<LoggedEvent<'project'>['type']>([
  'assigned',
  'backup-recorded',
  'backup-accepted',
  'backup-found',
  'backup-deleted',
  'backups-damaged',
  'backups-healed',
]);

function evolveKnown(rows: ProjectRows, event: LoggedEvent<'project'>): ProjectRows {
  const { project } = rows;
  const operation = operationEvent(event.type);
  if (operation !== null) return evolveOperation(rows, event, operation);
  switch (event.type) {
    case 'updated': {
      const { backupIntervalMinutes, retention } = event.data;
      const changed = {
        ...(backupIntervalMinutes === undefined ? {} : { backup_interval_minutes: backupIntervalMinutes }),
        ...(retention === undefined ? {} : { retention: storedRetention(retention) }),
      };
      return { ...rows, project: { ...project, ...changed } };
    }
    case 'assigned': {
      const { hostId, generation } = event.data;
      const assigned = { host_id: hostId, generation, provisioned_at: null, running: false };
      // What was certain of the data of one host says nothing of what another one may have.
      return { ...rows, project: { ...project, ...assigned, ...OTHER_DATA } };
    }
    case 'provisioned': {
      if (event.data.generation !== project.generation) return rows;
      const provisioned_at = Date.parse(event.time);
      return { ...rows, project: { ...project, ...dataAfter(rows, event), provisioned_at } };
    }
    case 'changed': {
      const change = { position: event.position, at: Date.parse(event.data.at), source: event.data.source };
      return { ...rows, project: { ...project, outside_changes: withOutsideChange(project.outside_changes, change) } };
    }
    case 'freshness-changed': {
      const { freshness, staleSince, reason, coveredBy, lastCoveredBy, counter, watched } = event.data;
      const stated = {
        freshness,
        stale_since: staleSince === undefined ? null : Date.parse(staleSince),
        freshness_reason: reason,
        covered_by: coveredBy ?? null,
        unwatched: watched === false,
        stated_epoch: counter?.epoch ?? null,
        stated_at: Date.parse(event.time),
      };
      const { stale_since: since, stated_at } = stated;
      // No clock of a host makes it later than the statement.
      const held_until =
        lastCoveredBy === undefined || since === null
          ? project.held_until
          : { backupId: lastCoveredBy, at: Math.min(since, stated_at) };
      return { ...rows, project: { ...project, ...stated, held_until } };
    }
    case 'backup-recorded': {
      const { backupId, operationId, counter, partialBecause, recovered, beganAt } = event.data;
      const operation = rows.operations.find(({ id }) => id === operationId);
      const row: BackupRow = {
        project_id: project.id,
        id: backupId,
        // Of what was found in a bucket the log knows no moment: all of them would fall on the day they were found.
        began_at: operation?.began_at ?? Date.parse(recovered === undefined ? event.time : beganAt),
        began_position: operation?.began_position ?? 0,
        recorded_position: event.position,
        counter: { generation: counter.generation, epoch: counter.epoch, n: counter.n },
        partial_because: partialBecause,
        in_doubt: false,
        damaged: false,
      };
      const verified_at = project.verified_at ?? Date.parse(event.time);
      return { ...withBackup(rows, backupId, row), project: { ...project, failed_backups: 0, verified_at } };
    }
    case 'runtime-changed':
      return { ...rows, project: { ...project, running: event.data.running } };
    case 'backup-accepted':
      return changed(rows, [event.data.backupId], ({ partial_because, ...row }) => ({
        ...row,
        partial_because: onceAccepted(partial_because),
      }));
    case 'backup-found':
      return withDoubts(
        rows,
        changed(rows, [event.data.backupId], (row) => ({ ...row, in_doubt: false })),
      );
    case 'backup-deleted':
      return withDoubts(rows, withBackup(rows, event.data.backupId, null));
    // Where others are meant too, too many to be named, the projection changes their rows.
    case 'backups-damaged':
      return changed(rows, event.data.backupIds, (row) => ({ ...row, damaged: true }));
    case 'backups-healed':
      return changed(rows, event.data.backupIds, (row) => ({ ...row, damaged: false }));
    default:
      return rows;
  }
}

const OTHER_DATA = { restored_position: null, held_until: null };

/** A restore of the whole was begun before anything can have changed in what it brought. */
function dataAfter(
  { project, operations }: ProjectRows,
  { data, position }: LoggedEvent<'project'> & { type: 'provisioned' },
): Pick<ProjectRow, 'restored_position' | 'held_until'> {
  const { by, backupId, operationId, roots } = data;
  if (by !== 'restored' || backupId === undefined) return OTHER_DATA;
  const began = operations.find(({ id }) => id === operationId)?.began_at ?? null;
  const isWhole = ROOTS.every((root) => roots.includes(root));
  const held_until = isWhole && began !== null ? { backupId, at: began } : project.held_until;
  return { restored_position: position, held_until };
}

function created(event: LoggedEvent<'project'> & { type: 'created' }): ProjectRows {
  const { hostId, retention } = event.data;
  return ofNew({ ...newProject(event), host_id: hostId, retention: storedRetention(retention) });
}

function recovered(event: LoggedEvent<'project'> & { type: 'recovered' }): ProjectRows {
  return ofNew(newProject(event));
}

function ofNew(project: ProjectRow): ProjectRows {
  return { project, operations: [], backups: new Map() };
}

function newProject({
  id,
  data,
  time,
  position,
}: LoggedEvent<'project'> & { type: 'created' | 'recovered' }): ProjectRow {
  return {
    id,
    host_id: null,
    generation: data.generation,
    backup_interval_minutes: data.backupIntervalMinutes,
    retention: null,
    created_at: Date.parse(time),
    provisioned_at: null,
    ...OTHER_DATA,
    running: false,
    outside_changes: [],
    freshness: null,
    stale_since: null,
    freshness_reason: null,
    covered_by: null,
    unwatched: false,
    stated_epoch: null,
    stated_at: null,
    last_backup_operation_id: null,
    last_backup_ended_at: null,
    last_backup_outcome: null,
    failed_backups: 0,
    orphans_since: null,
    orphans_until: null,
    in_doubt: 0,
    doubts_since: null,
    verified_at: null,
    last_verify_position: null,
    kept_position: position,
    kept_at: Date.parse(time),
    in_vain: {},
    position,
  };
}

function evolveOperation(
  rows: ProjectRows,
  event: LoggedEvent<'project'>,
  { kind, step }: OperationEvent,
): ProjectRows {
  const { operationId } = event.data as OperationRequested | OperationBegan | CancelRequested | OperationEnded;
  if (step === 'requested') {
    const { hostId, params, limits = DEFAULT_LIMITS[kind] } = event.data as OperationRequested;
    const requestedAt = Date.parse(event.time);
    const row: OperationRow = {
      id: operationId,
      project_id: rows.project.id,
      host_id: hostId,
      kind,
      requested_position: event.position,
      began_position: null,
      began_at: null,
      ended: false,
      queue_until: requestedAt + limits.queueSeconds * 1000,
      whole_until: requestedAt + limits.wholeSeconds * 1000,
      cancel_requested_at: null,
      tidies_before: kind === 'tidy' ? tidiesBefore(requestedAt, params) : null,
      forgets: kind === 'forget' ? String(params['backupId']) : null,
    };
    return { ...rows, operations: [...rows.operations, row] };
  }
  if (step === 'began') {
    return withOperation(rows, operationId, (row) => ({
      ...row,
      began_position: row.began_position ?? event.position,
      began_at: row.began_at ?? Date.parse(event.time),
    }));
  }
  if (step === 'cancel-requested') {
    return withOperation(rows, operationId, (row) => ({
      ...row,
      cancel_requested_at: row.cancel_requested_at ?? Date.parse(event.time),
    }));
  }
  return ended(rows, event, { operationId, kind, outcome: step });
}

function ended(
  rows: ProjectRows,
  event: LoggedEvent<'project'>,
  { operationId, kind, outcome }: { operationId: string; kind: OperationKind; outcome: Outcome },
): ProjectRows {
  const { running = rows.project.running, code, result } = event.data as OperationEnded;
  const at = Date.parse(event.time);
  const operation = rows.operations.find(({ id }) => id === operationId);
  const project = { ...rows.project, running };
  if (kind !== 'backup') {
    const others = rows.operations.filter((row) => row !== operation);
    const orphans = orphansAfterTidying(project, operation?.tidies_before ?? null, { outcome, at });
    const deletes = operation?.began_position === null ? null : (operation?.forgets ?? null);
    const isInDoubt = deletes !== null && leavesInDoubt(outcome, code);
    const doubted = isInDoubt ? changed(rows, [deletes], (row) => ({ ...row, in_doubt: true })) : rows;
    const doubts = isInDoubt
      ? doubtsAfterDeletion(project, newDoubts(rows, doubted), at)
      : kind === 'tidy'
        ? doubtsAfterTidying(project, at)
        : {};
    const looked = result?.repository !== undefined;
    const verified = kind === 'verify' ? verifiedAfter(project, { position: event.position, at, looked }) : {};
    const cameTo = kind === 'verify' ? looked : outcome === 'succeeded' || outcome === 'partial';
    const in_vain = inVainAfter(project, kind, { cameTo, at });
    return { ...doubted, project: { ...project, ...orphans, ...doubts, ...verified, in_vain }, operations: others };
  }
  const mayHaveUploaded = operation !== undefined && operation.began_position !== null;
  const operations = rows.operations.map((row) => (row.id === operationId ? { ...row, ended: true } : row));
  return {
    ...rows,
    project: {
      ...project,
      ...(mayHaveUploaded ? orphansAfterBackup(project, { outcome, at }) : {}),
      last_backup_operation_id: operationId,
      last_backup_ended_at: at,
      last_backup_outcome: outcome,
      failed_backups: failuresAfter(outcome, project.failed_backups),
    },
    operations: withoutLongEnded(operations),
  };
}

/** A verification that came to nothing has not looked: the repository stays as due as it was, after the others. */
function verifiedAfter(
  { verified_at }: ProjectRow,
  { position, at, looked }: { position: number; at: number; looked: boolean },
): Pick<ProjectRow, 'verified_at' | 'last_verify_position'> {
  return { verified_at: looked && verified_at !== null ? at : verified_at, last_verify_position: position };
}

function inVainAfter(
  { in_vain }: ProjectRow,
  kind: OperationKind,
  { cameTo, at }: { cameTo: boolean; at: number },
): ProjectRow['in_vain'] {
  const { [kind]: before, ...others } = in_vain;
  return cameTo ? others : { ...others, [kind]: { times: (before?.times ?? 0) + 1, at } };
}

function withOperation(rows: ProjectRows, id: string, change: (row: OperationRow) => OperationRow): ProjectRows {
  return { ...rows, operations: rows.operations.map((row) => (row.id === id ? change(row) : row)) };
}

function failuresAfter(outcome: Outcome, before: number): number {
  if (outcome === 'cancelled') return before;
  return outcome === 'failed' || outcome === 'expired' ? before + 1 : 0;
}

function withoutLongEnded(operations: readonly OperationRow[]): OperationRow[] {
  const remembered = operations
    .filter(({ ended }) => ended)
    .toSorted((a, b) => b.requested_position - a.requested_position)
    .slice(0, REMEMBERED_BACKUPS);
  return operations.filter((row) => !row.ended || remembered.includes(row));
}

/** The rows with these backups changed, as far as they are there. */
function changed(rows: ProjectRows, ids: readonly string[], change: (row: BackupRow) => BackupRow): ProjectRows {
  const backups = new Map(rows.backups);
  for (const id of ids) {
    const row = backups.get(id);
    if (row !== undefined && row !== null) backups.set(id, change(row));
  }
  return { ...rows, backups };
}

/** The rows after a change of backups that settles doubts. */
function withDoubts(before: ProjectRows, after: ProjectRows): ProjectRows {
  return { ...after, project: { ...after.project, ...settledDoubts(after.project, -newDoubts(before, after)) } };
}

function newDoubts(before: ProjectRows, after: ProjectRows): number {
  const count = ({ backups }: ProjectRows) => [...backups.values()].filter((row) => row?.in_doubt).length;
  return count(after) - count(before);
}

function withBackup(rows: ProjectRows, backupId: string, row: BackupRow | null): ProjectRows {
  return { ...rows, backups: new Map(rows.backups).set(backupId, row) };
}
