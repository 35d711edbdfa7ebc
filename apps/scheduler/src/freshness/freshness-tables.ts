import type { ChangeCounter, FreshnessState, PartialReason } from '@buckets/contracts';
import type { ExistingBackup, HeldUntil, OutsideChange } from '@buckets/freshness';
import { In, MoreThan, type DataSource, type EntityManager } from 'typeorm';
import { ProjectRow } from '../tables/rows.js';
import { SchedulerProjection } from '../tables/scheduler-projection.js';
import type { Said } from './statements.js';

/** What the log says of a project. */
export interface ProjectFacts {
  id: string;
  /** Null of a project that was not assigned to one yet. */
  hostId: string | null;
  generation: number;
  provisioned: boolean;
  heldUntil: HeldUntil | null;
  restoredPosition: number | null;
  createdAt: number;
  outsideChanges: readonly OutsideChange[];
  /** The newest ones. */
  backups: readonly ExistingBackup[];
  /** What was stated last. */
  stated: Said | null;
}

/** Older backups than these cannot hold everything when none of these does, but for the rarest cases. */
const BACKUPS_LOOKED_AT = 50;

const { schema, name } = new SchedulerProjection();

/** Reads what freshness depends on from the tables. */
export class FreshnessTables {
  constructor(private readonly data: DataSource) {}

  /** All of one moment: the projects among these that exist, and the position in the log that the tables stood at. */
  async read(ids: readonly string[]): Promise<{ position: number; projects: ProjectFacts[] }> {
    return this.data.transaction('REPEATABLE READ', async (rows) => {
      const position = await positionOf(rows);
      const projects = await rows.findBy(ProjectRow, { id: In([...ids]) });
      const backups = await newestBackups(ids, rows);
      return { position, projects: projects.map((row) => factsOf(row, backups.get(row.id) ?? [])) };
    });
  }

  /** The position in the log that the tables have reached. */
  async position(): Promise<number> {
    return positionOf(this.data.manager);
  }

  /** Projects with events after a position, in the order of their latest ones. */
  async changedAfter(position: number, limit: number): Promise<{ id: string; position: number }[]> {
    return this.data.getRepository(ProjectRow).find({
      select: { id: true, position: true },
      where: { position: MoreThan(position) },
      order: { position: 'ASC' },
      take: limit,
    });
  }

  /** A page of the projects, of one host or of all, by their ids. */
  async page({ hostId, after, limit }: { hostId?: string; after: string; limit: number }): Promise<string[]> {
    const projects = await this.data.getRepository(ProjectRow).find({
      select: { id: true },
      where: { id: MoreThan(after), ...(hostId === undefined ? {} : { host_id: hostId }) },
      order: { id: 'ASC' },
      take: limit,
    });
    return projects.map(({ id }) => id);
  }

  /** The hosts of projects, by their ids: found one after the other by the index, whatever the number of projects. */
  async hosts(): Promise<string[]> {
    const hosts = await this.data.query<{ host_id: string }[]>(
      `WITH RECURSIVE host AS (
         SELECT min(host_id) AS host_id FROM scheduler.project
         UNION ALL
         SELECT (SELECT min(host_id) FROM scheduler.project WHERE project.host_id > host.host_id)
           FROM host WHERE host_id IS NOT NULL)
       SELECT host_id FROM host WHERE host_id IS NOT NULL`,
    );
    return hosts.map(({ host_id }) => host_id);
  }

  /** How many projects were stated to be what. */
  async count(): Promise<Map<FreshnessState, number>> {
    const counts = await this.data.query<{ freshness: FreshnessState; projects: string }[]>(
      'SELECT freshness, projects FROM scheduler.freshness_count',
    );
    return new Map(counts.map(({ freshness, projects }) => [freshness, Number(projects)]));
  }
}

async function positionOf(rows: EntityManager): Promise<number> {
  const [row] = await rows.query<{ position: string }[]>(
    `SELECT position FROM "${schema}".projection_position WHERE name = $1`,
    [name],
  );
  return Number(row?.position ?? 0);
}

interface NewestBackup {
  project_id: string;
  id: string;
  began_at: Date;
  began_position: string;
  recorded_position: string;
  counter: ChangeCounter;
  partial_because: PartialReason[];
  in_doubt: boolean;
  damaged: boolean;
}

async function newestBackups(ids: readonly string[], rows: EntityManager): Promise<Map<string, NewestBackup[]>> {
  const found = await rows.query<NewestBackup[]>(
    `SELECT backup.* FROM unnest($1::text[]) AS wanted (id) CROSS JOIN LATERAL (
       SELECT * FROM scheduler.backup WHERE project_id = wanted.id
       ORDER BY began_position DESC, recorded_position DESC LIMIT ${BACKUPS_LOOKED_AT}) AS backup`,
    [ids],
  );
  return Map.groupBy(found, ({ project_id }) => project_id);
}

function existing(backup: NewestBackup): ExistingBackup {
  const { id, began_at, began_position, recorded_position, counter, partial_because, in_doubt, damaged } = backup;
  return {
    backupId: id,
    beganAt: began_at.getTime(),
    beganPosition: Number(began_position),
    recordedPosition: Number(recorded_position),
    counter,
    partialBecause: partial_because,
    inDoubt: in_doubt,
    damaged,
  };
}

function factsOf(row: ProjectRow, backups: readonly NewestBackup[]): ProjectFacts {
  const { freshness, freshness_reason, stale_since, covered_by, unwatched } = row;
  return {
    id: row.id,
    hostId: row.host_id,
    generation: row.generation,
    provisioned: row.provisioned_at !== null,
    heldUntil: row.held_until,
    restoredPosition: row.restored_position,
    createdAt: row.created_at,
    outsideChanges: row.outside_changes,
    backups: backups.map(existing),
    stated:
      freshness === null
        ? null
        : {
            freshness,
            reason: freshness_reason ?? '',
            staleSince: stale_since === null ? undefined : new Date(stale_since).toISOString(),
            coveredBy: covered_by ?? undefined,
            watched: unwatched ? false : undefined,
          },
  };
}
