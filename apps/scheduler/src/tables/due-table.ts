import type { EntityManager } from 'typeorm';
import { dueOfProject, needsNewestBackup, type NewestBackup } from './due-of-project.js';
import type { ProjectRows } from './evolve.js';

/*
 * scheduler.due: a row for each thing that is to be done at a moment. What is to be done, of what, in whose turn, and from
 * when on, follows from the log. How often it was asked for in vain, until when it is not asked for again, and from when on
 * its time was counted anew, are notes of whoever asks (due/due-tables.ts): they hold as long as the key stays, also where the
 * work is not due for a while, and a rebuild forgets them.
 */

/** Has what is due of some things be as their rows say. */
export async function writeDue(things: readonly ProjectRows[], manager: EntityManager): Promise<void> {
  if (things.length === 0) return;
  const wanting = things.filter(({ project }) => needsNewestBackup(project)).map(({ project }) => project.id);
  const newest = await newestBackups(wanting, manager);
  const due = things.flatMap(({ project, operations }) =>
    dueOfProject({ project, operations, newestBackup: newest.get(project.id) ?? null }).map((each) => ({
      thing_id: project.id,
      kind: each.kind,
      subject: each.subject ?? '',
      lane: each.lane,
      key: each.key,
      due_at: momentOf(each.dueAt),
      held_until: each.heldUntil === undefined || each.heldUntil <= 0 ? null : momentOf(each.heldUntil),
      plausible_from: each.waitsMs === undefined ? null : momentOf(each.dueAt - 2 * each.waitsMs),
    })),
  );
  await manager.query(WRITE, [things.map(({ project }) => project.id), JSON.stringify(due)]);
}

/** What lies before 1970, or after all days that JavaScript can write, comes to the same. */
function momentOf(at: number): string {
  return new Date(Math.min(Math.max(at, 0), LAST_DAY)).toISOString();
}

const LAST_DAY = Date.parse('9999-12-31T00:00:00.000Z');

async function newestBackups(ids: readonly string[], manager: EntityManager): Promise<Map<string, NewestBackup>> {
  if (ids.length === 0) return new Map();
  const rows = await manager.query<(Stored & { project_id: string })[]>(NEWEST, [ids]);
  return new Map(
    rows.map(({ project_id, began_at, began_position, ...row }) => [
      project_id,
      { ...row, began_at: began_at.getTime(), began_position: Number(began_position) },
    ]),
  );
}

type Stored = Omit<NewestBackup, 'began_at' | 'began_position'> & { began_at: Date; began_position: string };

const NEWEST = `
  SELECT newest.project_id, newest.id, newest.began_at, newest.began_position, newest.counter, newest.partial_because
    FROM scheduler.project AS project
   CROSS JOIN LATERAL (
     SELECT * FROM scheduler.backup
      WHERE project_id = project.id AND NOT in_doubt AND NOT damaged
      ORDER BY began_position DESC, recorded_position DESC LIMIT 1) AS newest
   WHERE project.id = ANY ($1::text[])`;

const WRITE = `
  WITH wanted AS (
    SELECT * FROM jsonb_to_recordset($2::jsonb) AS due (
      thing_id text, kind text, subject text, lane text, key text,
      due_at timestamptz, held_until timestamptz, plausible_from timestamptz)),
  unwanted AS (
    SELECT thing_id, kind, subject, subject = '' AND (attempts > 0 OR coalesce(not_before, counted_from) IS NOT NULL) AS noted
      FROM scheduler.due WHERE thing_id = ANY ($1::text[])
       AND NOT EXISTS (SELECT FROM wanted WHERE wanted.thing_id = due.thing_id AND wanted.kind = due.kind
                                            AND wanted.subject = due.subject)),
  -- One row at most of each kind of a project's work: what comes to be due again, as a host may have it, has its pause still.
  asleep AS (
    UPDATE scheduler.due SET due_at = 'infinity', held_until = NULL, plausible_from = NULL
      FROM unwanted WHERE noted AND due.thing_id = unwanted.thing_id AND due.kind = unwanted.kind
                      AND due.subject = unwanted.subject AND due.due_at < 'infinity'),
  gone AS (
    DELETE FROM scheduler.due USING unwanted WHERE NOT noted AND due.thing_id = unwanted.thing_id
       AND due.kind = unwanted.kind AND due.subject = unwanted.subject)
  INSERT INTO scheduler.due (thing_id, kind, subject, lane, key, due_at, held_until, plausible_from, attempts)
  SELECT *, 0 FROM wanted
      ON CONFLICT (thing_id, kind, subject) DO UPDATE
     SET lane = excluded.lane, key = excluded.key, due_at = excluded.due_at, held_until = excluded.held_until,
         plausible_from = excluded.plausible_from,
         not_before = CASE WHEN due.key = excluded.key THEN due.not_before END,
         attempts = CASE WHEN due.key = excluded.key THEN due.attempts ELSE 0 END,
         counted_from = CASE WHEN due.key = excluded.key THEN due.counted_from END
   WHERE (due.lane, due.key, due.due_at, due.held_until, due.plausible_from)
         IS DISTINCT FROM (excluded.lane, excluded.key, excluded.due_at, excluded.held_until, excluded.plausible_from)`;
