import type { DataSource } from 'typeorm';
import { BackupsAtHand, type BackupLook, type FoundBackups, type Project } from '../state/backups-at-hand.js';
import type { KnownBackup } from '../state/known-backup.js';
import type { ProjectState } from '../state/project-state.js';
import type { BackupRow } from './entities.js';
import { Parameters } from './rows.js';

/** The columns of a backup that decisions go by. */
export type KnownColumns = Pick<
  BackupRow,
  | 'id'
  | 'operation_id'
  | 'began_position'
  | 'position'
  | 'partial_because'
  | 'maybe_deleted_by'
  | 'unplaced'
  | 'damaged_position'
>;

/** The backup that a row is about, as decisions know it. */
export function knownBackup(row: KnownColumns): KnownBackup {
  return {
    ...{ id: row.id, operationId: row.operation_id, partialBecause: row.partial_because },
    ...{ beganPosition: Number(row.began_position), recordedPosition: Number(row.position) },
    ...(row.maybe_deleted_by === null ? {} : { maybeDeletedBy: row.maybe_deleted_by }),
    ...(row.unplaced ? { unplaced: true } : {}),
    ...(row.damaged_position === null ? {} : { damagedPosition: Number(row.damaged_position) }),
  };
}

/**
 * A project, and what a look finds of its backups: in one statement, so that all of it is of one position. Each part is by
 * an index, and reads no more rows than it finds.
 */
export async function lookUp(
  data: Pick<DataSource, 'query'>,
  projectId: string,
  look: BackupLook,
): Promise<{ state: Project | null; position: number }> {
  const { sql, values } = statementOf(projectId, look);
  const rows = await data.query<FoundRow[]>(sql, values);
  const found = Map.groupBy(rows, ({ part }) => part);
  const [of] = found.get('state') ?? [];
  if (of === undefined) return { state: null, position: 0 };
  found.delete('state');
  const backups = [...found].map(([part, some]) => [part, some.map(knownBackup)]);
  const atHand = new BackupsAtHand(look, Object.fromEntries(backups) as FoundBackups);
  return { state: { ...of.state, backups: atHand }, position: Number(of.position) };
}

/** The statement that carries a look out. */
export function statementOf(projectId: string, look: BackupLook): { sql: string; values: unknown[] } {
  const parameters = new Parameters();
  const project = parameters.add(projectId);
  const columns = COLUMNS.map((column) => `b."${column}"`).join(', ');
  const parts = partsOf(look, parameters).map(
    ([part, { where, order = 'id', most }]) =>
      `SELECT * FROM (SELECT '${part}' AS part, ${columns}, NULL::jsonb AS state FROM api.backup b
        WHERE b.project_id = ${project} AND ${where} ORDER BY ${order} LIMIT ${most}) AS "${part}"`,
  );
  const folded = COLUMNS.map((column) => (column === 'position' ? column : `NULL AS ${column}`)).join(', ');
  const all = [`SELECT 'state' AS part, ${folded}, state FROM project`, ...parts];
  const sql = `WITH project AS MATERIALIZED (
       SELECT position, state FROM api.thing_state WHERE thing = 'project' AND id = ${project})
     ${all.join('\nUNION ALL\n')}`;
  return { sql, values: parameters.values };
}

interface FoundRow extends KnownColumns {
  part: keyof FoundBackups | 'state';
  state: ProjectState;
}

const COLUMNS: readonly (keyof KnownColumns)[] = [
  ...(['id', 'operation_id', 'began_position', 'position'] as const),
  ...(['partial_because', 'maybe_deleted_by', 'unplaced', 'damaged_position'] as const),
];

interface Part {
  where: string;
  order?: string;
  most: number;
}

const NEWEST_FIRST = 'began_position DESC, position DESC';
/** No deletion may have removed it, and none that is open is about it. */
const CERTAIN = `maybe_deleted_by IS NULL AND id <> ALL (
  SELECT coalesce(operation.value #>> '{params,backupId}', '') FROM project, jsonb_each(project.state -> 'operations') AS operation
   WHERE operation.value ->> 'kind' = 'forget')`;
const RESTORABLE = `restorable AND ${CERTAIN}`;
const GOOD = `${RESTORABLE} AND damaged_position IS NULL`;
function partsOf(look: BackupLook, parameters: Parameters): [keyof FoundBackups, Part][] {
  const { ids, deletion, choices, inDoubt, damaged, whole, page } = look;
  const parts: { [P in keyof FoundBackups]: Part | undefined } = {
    ids: ids && { where: `id = ANY (${parameters.add(ids)}::text[])`, most: ids.length },
    inDoubt: inDoubt === undefined ? undefined : { where: 'maybe_deleted_by IS NOT NULL', most: inDoubt },
    damaged:
      damaged === undefined ? undefined : { where: 'damaged_position IS NOT NULL', order: NEWEST_FIRST, most: damaged },
    whole: whole === undefined ? undefined : { where: 'damaged_position IS NULL', order: NEWEST_FIRST, most: whole },
    page: page && { where: `id > ${parameters.add(page.after)}`, most: page.most },
    ...(choices === true
      ? {
          newest: { where: CERTAIN, order: NEWEST_FIRST, most: 1 },
          restorable: { where: RESTORABLE, order: NEWEST_FIRST, most: 2 },
          good: { where: GOOD, order: NEWEST_FIRST, most: 2 },
          unplaced: { where: `unplaced AND ${GOOD}`, order: NEWEST_FIRST, most: 1 },
        }
      : {}),
  };
  const wanted = Object.entries(parts).filter(([, part]) => part !== undefined) as [keyof FoundBackups, Part][];
  return deletion === undefined ? wanted : [...wanted, ...deletionParts(parameters.add(deletion))];
}

/** What an open deletion deletes stands in the state; what an ended one may have deleted, with the backup. */
function deletionParts(operation: string): [keyof FoundBackups, Part][] {
  const named = `(SELECT state #>> ARRAY['operations', ${operation}, 'params', 'backupId'] FROM project)`;
  return [
    ['deletion', { where: `id = ${named}`, most: 1 }],
    ['deletion', { where: `maybe_deleted_by = ${operation}`, order: 'maybe_deleted_by', most: 1 }],
  ];
}
