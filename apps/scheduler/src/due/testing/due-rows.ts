import type { DataSource } from 'typeorm';
import type { DueKind } from '../../when/due-moment.js';

export interface DueRow {
  thing_id: string;
  kind: DueKind;
  subject: string;
  lane: string;
  key: string;
  due_at: number;
  held_until: number | null;
  plausible_from: number | null;
}

export function dueRow(thing_id: string, lane: string, due_at: number, more: Partial<DueRow> = {}): DueRow {
  const none = { subject: '', held_until: null, plausible_from: null };
  return { thing_id, kind: 'backup', lane, key: `${thing_id}/1`, due_at, ...none, ...more };
}

/** Stores work that is due, as the projection would. */
export async function insertDue(data: DataSource, rows: readonly DueRow[]): Promise<void> {
  const moment = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());
  const stored = rows.map((row) => ({
    ...row,
    ...{ due_at: moment(row.due_at), held_until: moment(row.held_until), plausible_from: moment(row.plausible_from) },
  }));
  await data.query(
    `INSERT INTO scheduler.due (thing_id, kind, subject, lane, key, due_at, held_until, plausible_from, attempts)
     SELECT *, 0 FROM jsonb_to_recordset($1::jsonb) AS due (thing_id text, kind text, subject text, lane text, key text,
       due_at timestamptz, held_until timestamptz, plausible_from timestamptz)`,
    [JSON.stringify(stored)],
  );
}

/** Stores operations that are open. */
export async function insertOpen(data: DataSource, hostId: string, kind: string, count: number): Promise<void> {
  await data.query(
    `INSERT INTO scheduler.operation (id, project_id, host_id, kind, requested_position, ended, queue_until, whole_until)
     SELECT $1 || '-' || $2 || '-' || n, $1 || n, $1, $2, n, false, now() + interval '1 day', now() + interval '2 days'
       FROM generate_series(1, $3::int) AS n`,
    [hostId, kind, count],
  );
}

/** A fleet: of each project a backup, a look at what it keeps, and a verification, all of them due by the hour after a moment. */
export async function insertFleet(
  data: DataSource,
  fleet: { projects: number; hosts: number; dueAt: number },
): Promise<void> {
  const { projects, hosts, dueAt } = fleet;
  await data.query(
    `INSERT INTO scheduler.due (thing_id, kind, subject, lane, key, due_at, plausible_from, attempts)
     SELECT 'p' || n, kind, '', 'h' || n % $2::int, 'p' || n || '/1', $3::timestamptz + n % 3600 * interval '1 second',
            $3::timestamptz - interval '1 day', 0
       FROM generate_series(1, $1::int) AS n, unnest('{backup,retention,verification}'::text[]) AS kind`,
    [projects, hosts, new Date(dueAt)],
  );
  await data.query('ANALYZE scheduler.due');
}
