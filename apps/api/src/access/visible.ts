import type { ObjectLiteral, SelectQueryBuilder } from 'typeorm';
import type { AdmittedProject } from './admission.js';
import { ownerBehind, type Caller } from './caller.js';

declare const VISIBLE: unique symbol;
/** Rows of which the caller of a list may see all. Made here only, and a page takes nothing else. */
export type Visible<Row extends ObjectLiteral> = SelectQueryBuilder<Row> & { readonly [VISIBLE]: true };

/** Those of the projects that the caller has a role in. @param projectId the column that names the project */
export function visibleTo<Row extends ObjectLiteral>(
  { reach }: Caller,
  rows: SelectQueryBuilder<Row>,
  projectId: keyof Row & string,
): Visible<Row> {
  if (reach === 'fleet') return rows as Visible<Row>;
  const { userId: callerId, roles: callerRoles } = reach;
  return rows.andWhere(
    `${rows.alias}.${projectId} IN (
       SELECT project_id FROM api.member WHERE user_id = :callerId AND role = ANY (:callerRoles))`,
    { callerId, callerRoles },
  ) as Visible<Row>;
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
