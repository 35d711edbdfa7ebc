import {
  backupsNamed,
  isRestorable,
  operationEvent,
  storedRetention,
  type CancelRequested,
  type EventThing,
  type LoggedEvent,
  type OperationBegan,
  type OperationEnded,
  type OperationRequested,
  type Outcome,
  type OperationEvent,
  type ProjectRole,
} from '@buckets/contracts';
import type { EntityManager } from 'typeorm';
import { evolveBackups, type KnownBackup, type ProjectBackups } from '../state/known-backup.js';
import { evolveThing } from '../state/thing-state.js';
import type { ProjectState } from '../state/project-state.js';
import {
  ApiKeyRow,
  BackupRow,
  BucketRow,
  HostRow,
  MemberRow,
  OperationRow,
  ProjectRow,
  RegionRow,
  ThingStateRow,
  type CoverLoss,
} from './entities.js';
import { knownBackup } from './look-up.js';
import { Parameters, Rows } from './rows.js';

/** The rows that a batch of events touches. */
export class Views {
  readonly states = new Rows(ThingStateRow, ['thing', 'id']);
  readonly regions = new Rows(RegionRow, ['id']);
  readonly buckets = new Rows(BucketRow, ['id']);
  readonly hosts = new Rows(HostRow, ['id']);
  readonly apiKeys = new Rows(ApiKeyRow, ['id']);
  readonly projects = new Rows(ProjectRow, ['id']);
  readonly members = new Rows(MemberRow, ['user_id', 'project_id']);
  readonly backups = new Rows(BackupRow, ['project_id', 'id'], ['record']);
  readonly operations = new Rows(OperationRow, ['id']);

  /** A word on almost all backups of a project, which is written after all else: nothing may be applied after it. */
  sweep: Sweep | undefined;

  private get byName(): Record<Table, Rows<never>> {
    return this as unknown as Record<Table, Rows<never>>;
  }

  /** Reads the rows that the events need to be there before they are applied. */
  async fetch(events: readonly LoggedEvent[], manager: EntityManager): Promise<void> {
    const parameters = new Parameters();
    const needs = Map.groupBy(events.flatMap(touched), ({ table }) => table);
    const selections = [...needs].map(([table, keys]) =>
      this.byName[table].selection(
        table,
        keys.map(({ key }) => key),
        manager,
        parameters,
      ),
    );
    selections.push(...this.backupsInDoubt(events, manager, parameters));
    if (selections.length === 0) return;
    const sql = selections.join('\nUNION ALL\n');
    const found = await manager.query<{ name: Table; row: never }[]>(sql, parameters.values);
    for (const { name, row } of found) this.byName[name].found(row);
  }

  /** Backups that were to be deleted by operations which end: their names stand in the states of before. */
  private backupsInDoubt(events: readonly LoggedEvent[], manager: EntityManager, parameters: Parameters): string[] {
    const ends = events.filter((event) => event.thing === 'project' && endsDeletion(event.type));
    if (ends.length === 0) return [];
    const projects = parameters.add(ends.map(({ id }) => id));
    const operations = parameters.add(ends.map(({ data }) => (data as { operationId: string }).operationId));
    const join = `(unnest(${projects}::text[], ${operations}::text[]) AS o (project_id, id)
        JOIN api.thing_state s ON s.thing = 'project' AND s.id = o.project_id)
      ON t.project_id = o.project_id AND t.id = s.state #>> ARRAY['operations', o.id, 'params', 'backupId']`;
    return [this.backups.joining('backups', join, manager, parameters)];
  }

  /** The statements that write what has changed. */
  changes(manager: EntityManager, parameters: Parameters): string[] {
    return Object.values(this.byName)
      .filter((rows) => rows instanceof Rows)
      .flatMap((rows) => rows.changes(manager, parameters));
  }
}

/** What one event means for the tables. Pure: rows in, rows out. */
export function applyEvent(views: Views, event: LoggedEvent): void {
  const { thing, id, position } = event;
  const before = views.states.get(thing, id)?.state ?? null;
  const state = evolveThing(before, event);
  if (state === null) return;
  views.states.put({ thing, id, position, state });
  const apply = BY_THING[thing] as (views: Views, event: LoggedEvent, states: States<object>) => void;
  apply(views, event, { before, state });
}

/** The state of a thing without an event, and with it. */
interface States<State> {
  before: State | null;
  state: State;
}

const BY_THING: { [T in EventThing]: (views: Views, event: LoggedEvent<T>, states: never) => void } = {
  region: (views, { id, data, position }) => {
    const { name, latitude, longitude } = data;
    views.regions.put({ id, name, latitude, longitude, position });
  },
  bucket: (views, { id, data, position }) => {
    const { regionId, endpoint, s3Region, bucket } = data;
    views.buckets.put({ id, region_id: regionId, endpoint, s3_region: s3Region, bucket, position });
  },
  host: (views, event) => {
    if (event.type === 'created') {
      const { name, regionId } = event.data;
      const { id, time, position } = event;
      views.hosts.put({ id, name, region_id: regionId, created_at: time, position });
    } else if (event.data.name !== undefined) {
      views.hosts.patch([event.id], { name: event.data.name });
    }
  },
  'api-key': (views, event) => {
    if (event.type === 'revoked') {
      views.apiKeys.patch([event.id], { revoked_at: event.time });
      return;
    }
    const { name, tokenHash, scopes, expiresAt, makers = [], requestedBy: made_by } = event.data;
    const owner_id = event.type === 'created-for-owner' ? event.data.ownerId : null;
    const { id, time, position } = event;
    const row = { id, name, scopes, position, token_hash: tokenHash, expires_at: expiresAt ?? null, owner_id, makers };
    views.apiKeys.put({ ...row, made_by, revoked_at: null, created_at: time });
  },
  project: applyProjectEvent,
};

function applyProjectEvent(views: Views, event: LoggedEvent<'project'>, { before, state }: States<ProjectState>): void {
  const { id, time } = event;
  const operation = operationEvent(event.type);
  if (operation !== null) applyOperationEvent(views, event, operation);
  if (before !== null) evolveBackups(new BackupsOf(views, event), before, event);
  switch (event.type) {
    case 'created':
      views.projects.put({
        ...newProjectRow(event),
        title: event.data.title ?? null,
        description: event.data.description ?? null,
        host_id: event.data.hostId,
        retention: storedRetention(event.data.retention),
      });
      putMember(views, event, event.data.ownerId, 'owner');
      break;
    case 'recovered':
      views.projects.put({ ...newProjectRow(event), freshness_reason: 'No backup of it is known.' });
      putMember(views, event, event.data.ownerId, 'owner');
      break;
    case 'member-set':
      putMember(views, event, event.data.userId, event.data.role);
      break;
    case 'member-removed':
      views.members.delete(event.data.userId, id);
      break;
    case 'updated': {
      const before = views.projects.get(id)?.owner_id;
      if (event.data.ownerId !== undefined && event.data.ownerId !== before) {
        if (before !== undefined) views.members.delete(before, id);
        putMember(views, event, event.data.ownerId, 'owner');
      }
      const { ownerId, title, description, backupIntervalMinutes, retention } = event.data;
      views.projects.patch([id], {
        ...(ownerId === undefined ? {} : { owner_id: ownerId }),
        ...(title === undefined ? {} : { title }),
        ...(description === undefined ? {} : { description }),
        ...(backupIntervalMinutes === undefined ? {} : { backup_interval_minutes: backupIntervalMinutes }),
        ...(retention === undefined ? {} : { retention: storedRetention(retention) }),
      });
      break;
    }
    case 'freshness-changed': {
      const { freshness, staleSince, reason, coveredBy, watched } = event.data;
      views.projects.patch([id], {
        freshness,
        stale_since: staleSince ?? null,
        freshness_reason: reason,
        covered_by: coveredBy ?? null,
        freshness_at: time,
        unwatched: watched === false,
        cover_lost: coveredBy === undefined ? null : lossOf(views.backups.get(id, coveredBy)),
      });
      break;
    }
    case 'provision-requested':
      views.projects.patch([id], { provision_operation_id: event.data.operationId });
      break;
    case 'backup-recorded': {
      // Until freshness is stated: there is one.
      if (views.projects.get(id)?.freshness === 'never') {
        const freshness_reason = event.data.recovered === undefined ? FIRST_MADE : FOUND_IN_BUCKET;
        views.projects.patch([id], { freshness: 'unknown', freshness_reason });
      }
      break;
    }
    case 'backup-accepted': {
      const { backupId, because, requestedBy } = event.data;
      const by = requestedBy === undefined ? {} : { by: requestedBy };
      views.backups.patch([id, backupId], { accepted: { at: time, because, ...by } });
      break;
    }
    case 'backup-deleted':
      afterDeletion(views, id, event.data.backupId);
      break;
    case 'repository-damaged': {
      const { total, first, operationId } = event.data;
      views.projects.patch([id], { damage: { total, first, operationId, at: time } });
      break;
    }
    case 'repository-mended':
      views.projects.patch([id], { damage: null });
      break;
    default:
      break;
  }
  const row = views.projects.get(id);
  const { provisioned, running, hostId, generation } = state;
  if (row !== null && (row.provisioned !== provisioned || row.running !== running || row.generation !== generation)) {
    views.projects.put({ ...row, provisioned, running, host_id: hostId, generation });
  }
}

function putMember(views: Views, { id, position }: LoggedEvent<'project'>, user_id: string, role: ProjectRole): void {
  views.members.put({ user_id, project_id: id, role, position });
}

/** The backups of the project that an event is about. */
class BackupsOf implements ProjectBackups {
  constructor(
    private readonly views: Views,
    private readonly event: LoggedEvent<'project'>,
  ) {}

  get(id: string): KnownBackup | undefined {
    const row = this.views.backups.get(this.event.id, id);
    return row === null ? undefined : knownBackup(row);
  }

  beganPositionOf(operationId: string): number | undefined {
    const row = this.views.operations.get(operationId);
    const isOfProject = row?.project_id === this.event.id && row.kind === 'backup';
    return isOfProject ? (row.began_position ?? undefined) : undefined;
  }

  put(backup: KnownBackup): void {
    const { event, views } = this;
    const before = views.backups.get(event.id, backup.id);
    const { operationId, partialBecause, beganPosition, recordedPosition } = backup;
    const known = {
      ...{ project_id: event.id, id: backup.id, operation_id: operationId, position: recordedPosition },
      ...{ began_position: beganPosition, partial_because: partialBecause, restorable: isRestorable(partialBecause) },
      ...{ maybe_deleted_by: backup.maybeDeletedBy ?? null, unplaced: backup.unplaced ?? false },
      damaged_position: backup.damagedPosition ?? null,
    };
    if (event.type === 'backup-recorded') {
      const { data } = event;
      views.backups.put({ ...known, began_at: data.beganAt, record: data, accepted: null });
    } else if (before !== null) {
      views.backups.put({ ...before, ...known });
    }
    this.count(backup.id, before);
  }

  delete(id: string): void {
    const before = this.views.backups.get(this.event.id, id);
    this.views.backups.delete(this.event.id, id);
    this.count(id, before);
  }

  sweep(but: readonly string[], damagedPosition: number | null): void {
    const { id: projectId, position } = this.event;
    this.views.sweep = { projectId, before: position, but, damagedPosition };
  }

  /** What the project's row says of its backups. */
  private count(id: string, before: Pick<BackupRow, 'damaged_position'> | null): void {
    const { projects, backups } = this.views;
    const [project, after] = [projects.get(this.event.id), backups.get(this.event.id, id)];
    if (project === null) return;
    const damaged = (row: typeof before) => (row === null || row.damaged_position === null ? 0 : 1);
    projects.put({
      ...project,
      backups: project.backups + Number(after !== null) - Number(before !== null),
      damaged_backups: project.damaged_backups + damaged(after) - damaged(before),
      ...(project.covered_by === id ? { cover_lost: lossOf(after) } : {}),
    });
  }
}

function lossOf(row: Pick<BackupRow, 'damaged_position' | 'maybe_deleted_by'> | null): CoverLoss | null {
  if (row === null) return null;
  if (row.damaged_position !== null) return 'damaged';
  return row.maybe_deleted_by === null ? null : 'in-doubt';
}

/** What was stated of freshness, or stood there until it would be, does not outlive the backup that it rested on. */
function afterDeletion(views: Views, id: string, backupId: string): void {
  const row = views.projects.get(id);
  const isUnstated = row?.freshness_reason === FIRST_MADE || row?.freshness_reason === FOUND_IN_BUCKET;
  if (row?.covered_by === backupId) {
    const freshness_reason = 'The backup that held everything was deleted; nobody has looked yet what the others hold.';
    views.projects.patch([id], {
      freshness: 'unknown',
      freshness_reason,
      covered_by: null,
      unwatched: false,
      cover_lost: null,
    });
  } else if (isUnstated && row.backups === 0) {
    // Whoever states it has stated "never" last, and says nothing where it stays so.
    views.projects.patch([id], { freshness: 'never', freshness_reason: NO_BACKUP });
  }
}

const NO_BACKUP = 'No backup of it exists.';
const FIRST_MADE = 'A backup of it was made; nobody has looked yet whether that holds everything.';
const FOUND_IN_BUCKET = 'A backup of it was found in its bucket; nobody has looked yet what that holds.';

function newProjectRow({
  id,
  data,
  time,
  position,
}: LoggedEvent<'project'> & { type: 'created' | 'recovered' }): ProjectRow {
  return {
    id,
    owner_id: data.ownerId,
    title: null,
    description: null,
    region_id: data.regionId,
    bucket_id: data.bucketId,
    host_id: null,
    generation: data.generation,
    backup_interval_minutes: data.backupIntervalMinutes,
    retention: null,
    provisioned: false,
    running: false,
    freshness: 'never',
    stale_since: null,
    freshness_reason: 'The project was never backed up.',
    covered_by: null,
    freshness_at: null,
    unwatched: false,
    created_at: time,
    provision_operation_id: null,
    backups: 0,
    damaged_backups: 0,
    cover_lost: null,
    damage: null,
    position,
  };
}

function applyOperationEvent(views: Views, event: LoggedEvent<'project'>, { kind, step }: OperationEvent): void {
  const { id: project_id, position, time } = event;
  if (step === 'requested') {
    const { operationId, hostId, generation, params, limits, requestedBy, requestHash } =
      event.data as OperationRequested;
    views.operations.put({
      id: operationId,
      project_id,
      host_id: hostId,
      generation,
      kind,
      state: 'queued',
      attempts: 0,
      requested_by: requestedBy,
      request_hash: requestHash ?? null,
      params,
      result: null,
      code: null,
      reason: null,
      requested_at: time,
      began_at: null,
      began_position: null,
      ended_at: null,
      limits: limits ?? null,
      cancel_requested_at: null,
      cancel_hash: null,
      worker_id: null,
      previous_failure: null,
      left_behind: null,
      position,
      changed_position: position,
    });
    return;
  }
  if (step === 'began') {
    const { operationId, attempt, workerId, previousFailure } = event.data as OperationBegan;
    const before = views.operations.get(operationId);
    views.operations.patch([operationId], {
      state: 'running',
      attempts: attempt,
      began_at: before?.began_at ?? time,
      began_position: before?.began_position ?? position,
      worker_id: workerId ?? null,
      previous_failure: previousFailure ?? null,
      changed_position: position,
    });
    return;
  }
  if (step === 'cancel-requested') {
    const { operationId, requestHash } = event.data as CancelRequested;
    views.operations.patch([operationId], {
      cancel_requested_at: time,
      cancel_hash: requestHash ?? null,
      changed_position: position,
    });
    return;
  }
  const { operationId, result, code, reason, left } = event.data as OperationEnded;
  views.operations.patch([operationId], {
    state: step satisfies Outcome,
    result: result ?? null,
    code: code ?? null,
    reason: reason ?? null,
    left_behind: left ?? null,
    ended_at: time,
    changed_position: position,
  });
}

/** All backups of a project that were recorded before a position, but these, are damaged there; null: they are whole. */
export interface Sweep {
  projectId: string;
  before: number;
  but: readonly string[];
  damagedPosition: number | null;
}

type Table = keyof Omit<Views, 'fetch' | 'changes' | 'sweep'>;

function endsDeletion(type: LoggedEvent<'project'>['type']): boolean {
  const { kind, step } = operationEvent(type) ?? {};
  return kind === 'forget' && step !== 'requested' && step !== 'began' && step !== 'cancel-requested';
}

function touched(event: LoggedEvent): { table: Table; key: string[] }[] {
  const { thing, id } = event;
  const keys: { table: Table; key: string[] }[] = [{ table: 'states', key: [thing, id] }];
  if (thing === 'host') keys.push({ table: 'hosts', key: [id] });
  if (thing === 'api-key') keys.push({ table: 'apiKeys', key: [id] });
  if (thing !== 'project') return keys;
  keys.push({ table: 'projects', key: [id] });
  const covers = event.type === 'freshness-changed' ? (event.data.coveredBy ?? []) : [];
  for (const backupId of backupsNamed(event).concat(covers)) keys.push({ table: 'backups', key: [id, backupId] });
  if (operationEvent(event.type) !== null || event.type === 'backup-recorded') {
    keys.push({ table: 'operations', key: [(event.data as { operationId: string }).operationId] });
  }
  return keys;
}
