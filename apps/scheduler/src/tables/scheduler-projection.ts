import { backupsNamed, operationEvent, upToSweeps, type FreshnessState, type LoggedEvent } from '@buckets/contracts';
import { changeInPieces, upsertInPieces, type Projection, type ProjectionBatch } from '@buckets/log';
import { In, type EntityManager } from 'typeorm';
import { writeDue } from './due-table.js';
import { evolve, type ProjectRows } from './evolve.js';
import { BackupRow, OperationRow, ProjectRow, SCHEDULER_ENTITIES } from './rows.js';

/** What freshness needs to know of the log, and what falls due by it. */
export class SchedulerProjection implements Projection {
  readonly name = 'projects';
  readonly schema = 'scheduler';
  readonly gatherMs = 100;

  async apply({ events }: ProjectionBatch, manager: EntityManager): Promise<void> {
    const ofProjects = events.filter((event): event is LoggedEvent<'project'> => event.thing === 'project');
    if (ofProjects.length === 0) return;
    for (const some of upToSweeps(ofProjects)) {
      const before = await read(some, manager);
      const after = new Map<string, ProjectRows | null>(before);
      for (const event of some) after.set(event.id, evolve(after.get(event.id) ?? null, event));
      await write(before, after, manager);
      await count(before, after, manager);
      await sweep(some.at(-1)!, manager);
      await writeDue(
        [...after.values()].filter((each) => each !== null),
        manager,
      );
    }
  }

  /** Row by row: whoever reads meanwhile sees what was there, and does not wait. */
  async clear(manager: EntityManager): Promise<void> {
    for (const entity of SCHEDULER_ENTITIES) await manager.deleteAll(entity);
    for (const table of ['due', 'freshness_count']) await manager.query(`DELETE FROM scheduler.${table}`);
  }
}

async function read(
  events: readonly LoggedEvent<'project'>[],
  manager: EntityManager,
): Promise<Map<string, ProjectRows>> {
  const ids = [...new Set(events.map(({ id }) => id))];
  const projects = await manager.findBy(ProjectRow, { id: In(ids) });
  const operations = await manager.find(OperationRow, {
    where: { project_id: In(ids) },
    order: { requested_position: 'ASC' },
  });
  const byProject = Map.groupBy(operations, ({ project_id }) => project_id);
  const backups = Map.groupBy(await changedBackups(events, operations, manager), ({ project_id }) => project_id);
  return new Map(
    projects.map((project) => [
      project.id,
      {
        project,
        operations: byProject.get(project.id) ?? [],
        backups: new Map(backups.get(project.id)?.map((row) => [row.id, row])),
      },
    ]),
  );
}

/** The backups that events change. */
async function changedBackups(
  events: readonly LoggedEvent<'project'>[],
  operations: readonly OperationRow[],
  manager: EntityManager,
): Promise<BackupRow[]> {
  const forgets = new Map(operations.map(({ id, forgets: backupId }) => [id, backupId]));
  const named = events.flatMap((event) => backupsOf(event, forgets).map((id) => [event.id, id] as const));
  if (named.length === 0) return [];
  // Names and ids come as two lists, however many there are.
  return manager
    .createQueryBuilder(BackupRow, 'backup')
    .where('(project_id, id) IN (SELECT * FROM unnest(:projects::text[], :ids::text[]))', {
      projects: named.map(([project]) => project),
      ids: named.map(([, id]) => id),
    })
    .getMany();
}

/** @param forgets which backup each operation deletes, of those that were there before */
function backupsOf(event: LoggedEvent<'project'>, forgets: ReadonlyMap<string, string | null>): readonly string[] {
  const operation = operationEvent(event.type);
  if (operation?.kind !== 'forget' || operation.step === 'requested') return backupsNamed(event);
  const forgotten = forgets.get((event.data as { operationId: string }).operationId);
  return forgotten == null ? [] : [forgotten];
}

async function sweep(event: LoggedEvent<'project'>, manager: EntityManager): Promise<void> {
  if (event.type !== 'backups-damaged' && event.type !== 'backups-healed') return;
  const { othersBut } = event.data;
  if (othersBut === undefined) return;
  const damaged = event.type === 'backups-damaged';
  await changeInPieces(
    manager,
    `WITH others AS (
       SELECT id FROM scheduler.backup
        WHERE project_id = $1 AND recorded_position < $2 AND id <> ALL ($3::text[]) AND damaged <> $4 LIMIT $5),
     changed AS (
       UPDATE scheduler.backup SET damaged = $4 FROM others
        WHERE backup.project_id = $1 AND backup.id = others.id RETURNING 1)
     SELECT count(*)::int AS changed FROM changed`,
    [event.id, event.position, othersBut, damaged],
  );
}

async function write(
  before: ReadonlyMap<string, ProjectRows>,
  after: ReadonlyMap<string, ProjectRows | null>,
  manager: EntityManager,
): Promise<void> {
  const rows = [...after.values()].filter((each) => each !== null);
  await upsertInPieces(
    manager,
    ProjectRow,
    rows.map(({ project }) => ({ ...project })),
    ['id'],
  );

  const known = new Set([...before.values()].flatMap(({ operations }) => operations));
  const kept = new Set(rows.flatMap(({ operations }) => operations));
  const keptIds = new Set([...kept].map(({ id }) => id));
  const gone = [...known].filter(({ id }) => !keptIds.has(id)).map(({ id }) => id);
  await upsertInPieces(
    manager,
    OperationRow,
    [...kept].filter((row) => !known.has(row)),
    ['id'],
  );
  if (gone.length > 0) await manager.delete(OperationRow, { id: In(gone) });

  for (const { project, backups } of rows) {
    const deleted = [...backups].filter(([, row]) => row === null).map(([id]) => id);
    if (deleted.length > 0) await manager.delete(BackupRow, { project_id: project.id, id: In(deleted) });
  }
  const recorded = rows.flatMap(({ backups }) => [...backups.values()].filter((row) => row !== null));
  await upsertInPieces(manager, BackupRow, recorded, ['project_id', 'id']);
}

/** How many projects were stated to be what is kept as it changes: whoever asks for it reads no projects. */
async function count(
  before: ReadonlyMap<string, ProjectRows>,
  after: ReadonlyMap<string, ProjectRows | null>,
  manager: EntityManager,
): Promise<void> {
  const more = new Map<FreshnessState, number>();
  const add = (rows: ProjectRows | null, change: number): void => {
    if (rows === null) return;
    const freshness = rows.project.freshness ?? 'never';
    more.set(freshness, (more.get(freshness) ?? 0) + change);
  };
  for (const rows of before.values()) add(rows, -1);
  for (const rows of after.values()) add(rows, 1);
  const changed = [...more].filter(([, change]) => change !== 0);
  if (changed.length === 0) return;
  await manager.query(
    `INSERT INTO scheduler.freshness_count (freshness, projects) SELECT * FROM unnest($1::text[], $2::bigint[])
         ON CONFLICT (freshness) DO UPDATE SET projects = freshness_count.projects + excluded.projects`,
    [changed.map(([freshness]) => freshness), changed.map(([, change]) => change)],
  );
  // As in tables that are made anew.
  await manager.query('DELETE FROM scheduler.freshness_count WHERE projects = 0');
}
