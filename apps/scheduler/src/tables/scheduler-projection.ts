import type { LoggedEvent } from '@buckets/contracts';
import type { Projection, ProjectionBatch } from '@buckets/log';
import { In, type EntityManager } from 'typeorm';
import { writeDue } from './due-table.js';
import { evolve, type ProjectRows } from './evolve.js';
import { BackupRow, OperationRow, ProjectRow, SCHEDULER_ENTITIES } from './rows.js';

/** What freshness needs to know of the log, and what falls due by it. */
export class SchedulerProjection implements Projection {
  readonly name = 'projects';
  readonly schema = 'scheduler';

  async apply({ events }: ProjectionBatch, manager: EntityManager): Promise<void> {
    const ofProjects = events.filter((event): event is LoggedEvent<'project'> => event.thing === 'project');
    const before = await read(ofProjects, manager);
    const after = new Map<string, ProjectRows | null>(before);
    for (const event of ofProjects) after.set(event.id, evolve(after.get(event.id) ?? null, event));
    await write(before, after, manager);
  }

  /** Row by row: whoever reads meanwhile sees what was there, and does not wait. */
  async clear(manager: EntityManager): Promise<void> {
    for (const entity of SCHEDULER_ENTITIES) await manager.deleteAll(entity);
    await manager.query('DELETE FROM scheduler.due');
  }
}

async function read(
  events: readonly LoggedEvent<'project'>[],
  manager: EntityManager,
): Promise<Map<string, ProjectRows>> {
  if (events.length === 0) return new Map();
  const ids = [...new Set(events.map(({ id }) => id))];
  const projects = await manager.findBy(ProjectRow, { id: In(ids) });
  const operations = await manager.find(OperationRow, {
    where: { project_id: In(ids) },
    order: { requested_position: 'ASC' },
  });
  const byProject = Map.groupBy(operations, ({ project_id }) => project_id);
  const backups = Map.groupBy(await changedBackups(events, manager), ({ project_id }) => project_id);
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
async function changedBackups(events: readonly LoggedEvent<'project'>[], manager: EntityManager): Promise<BackupRow[]> {
  const where = events
    .filter((event) => event.type === 'backup-accepted')
    .map(({ id, data }) => ({ project_id: id, id: data.backupId }));
  return where.length === 0 ? [] : manager.findBy(BackupRow, where);
}

async function write(
  before: ReadonlyMap<string, ProjectRows>,
  after: ReadonlyMap<string, ProjectRows | null>,
  manager: EntityManager,
): Promise<void> {
  const rows = [...after.values()].filter((each) => each !== null);
  await manager.upsert(
    ProjectRow,
    rows.map(({ project }) => ({ ...project })),
    ['id'],
  );

  const known = new Set([...before.values()].flatMap(({ operations }) => operations));
  const kept = new Set(rows.flatMap(({ operations }) => operations));
  const keptIds = new Set([...kept].map(({ id }) => id));
  const gone = [...known].filter(({ id }) => !keptIds.has(id)).map(({ id }) => id);
  await manager.upsert(
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
  await manager.upsert(BackupRow, recorded, ['project_id', 'id']);
  await writeDue(rows, manager);
}
