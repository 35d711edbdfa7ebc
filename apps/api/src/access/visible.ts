import type { ObjectLiteral, SelectQueryBuilder } from 'typeorm';
import type { AdmittedProject } from './admission.js';
import { ownerBehind, type Caller } from './caller.js';

declare const VISIBLE: unique symbol;
/** Rows of which the caller of a list may see all. Made here only, and a page takes nothing else. */
export type Visible<Row extends ObjectLiteral> = SelectQueryBuilder<Row> & {
  readonly [VISIBLE]: true;
  /** Where these are only those of projects that the caller has a role in: the column that names the project. */
  projectId?: keyof Row & string;
};

/** Those of the projects that the caller has a role in. @param projectId the column that names the project */
export function visibleTo<Row extends ObjectLiteral>(
  { reach }: Caller,
  rows: SelectQueryBuilder<Row>,
  projectId: keyof Row & string,
): Visible<Row> {
  if (reach === 'fleet') return rows as Visible<Row>;
  const { userId: callerId, roles: callerRoles } = reach;
  // It is looked up row by row: rows are gone through in the order of the list.
  rows.andWhere(`EXISTS (SELECT FROM api.member WHERE project_id = ${rows.alias}.${projectId} AND ${MINE} OFFSET 0)`, {
    callerId,
    callerRoles,
  });
  return Object.assign(rows as Visible<Row>, { projectId });
}

const MINE = 'user_id = :callerId AND role = ANY (:callerRoles)';

/**
 * Of whoever has a role in more projects, many of all projects are theirs: a page of them is soon found among all. That says
 * less of what else there is of projects, such as operations.
 */
const FEW_PROJECTS = { ofProjects: 1_000, ofOthers: 20_000 };

/**
 * The first so many of the rows in their order by position. Of whoever has a role in few projects they are found from these:
 * in the projects whose first rows are the first, of each so many. A history of others is not gone through.
 */
export async function firstOf<Row extends ObjectLiteral & { position: number }>(
  rows: Visible<Row>,
  limit: number,
  order: 'ASC' | 'DESC',
): Promise<Row[]> {
  const { alias, projectId } = rows;
  const few = projectId === 'id' ? FEW_PROJECTS.ofProjects : FEW_PROJECTS.ofOthers;
  if (projectId === undefined || !(await hasUpTo(few, rows))) return rows.limit(limit).getMany();
  const ofMine = (count: number): string =>
    rows
      .clone()
      .select(`${alias}.id`, 'id')
      .addSelect(`${alias}.position`, 'position')
      .andWhere(`${alias}.${projectId} = mine.project_id`)
      .limit(count)
      .getQuery();
  const ids = `
    SELECT found.id FROM (
      SELECT mine.project_id FROM (SELECT project_id FROM api.member WHERE ${MINE}) AS mine
       CROSS JOIN LATERAL (${ofMine(1)}) AS first ORDER BY first.position ${order} LIMIT ${limit}) AS mine
     CROSS JOIN LATERAL (${ofMine(limit)}) AS found ORDER BY found.position ${order} LIMIT ${limit}`;
  return rows.andWhere(`${alias}.id = ANY (ARRAY(${ids}))`).limit(limit).getMany();
}

async function hasUpTo<Row extends ObjectLiteral>(few: number, rows: Visible<Row>): Promise<boolean> {
  const { callerId, callerRoles } = rows.getParameters();
  const [found] = await rows.connection.query<{ projects: number }[]>(
    `SELECT count(*)::int AS projects FROM (
       SELECT FROM api.member WHERE user_id = $1 AND role = ANY ($2) LIMIT ${few + 1}) AS mine`,
    [callerId, callerRoles],
  );
  return found!.projects <= few;
}

/** Those that are the caller's own. @param ownerId the column that names whose they are */
export function ownedBy<Row extends ObjectLiteral>(
  caller: Caller,
  rows: SelectQueryBuilder<Row>,
  ownerId: keyof Row & string,
): Visible<Row> {
  const callerId = ownerBehind(caller);
  if (callerId === undefined) return rows as Visible<Row>;
  return rows.andWhere(`${rows.alias}.${ownerId} = :callerId`, { callerId }) as Visible<Row>;
}

/** Those of a project to which the caller was admitted. */
export function withinProject<Row extends ObjectLiteral>(
  { id }: AdmittedProject,
  rows: SelectQueryBuilder<Row>,
  projectId: keyof Row & string,
): Visible<Row> {
  return rows.andWhere(`${rows.alias}.${projectId} = :projectId`, { projectId: id }) as Visible<Row>;
}

/** Of a list that says by `Needs` who may see all of it. */
export function visibleToAll<Row extends ObjectLiteral>(rows: SelectQueryBuilder<Row>): Visible<Row> {
  return rows as Visible<Row>;
}
