import type { OperationKind } from '@buckets/contracts';
import type { DataSource } from 'typeorm';
import type { DueKind } from '../when/due-moment.js';
import { LONGEST_PAUSE_MS } from './pauses.js';
import { nextTurns, type Waiting } from './turns.js';

/** Work that is due. */
export interface DueItem extends Waiting {
  /** Whose events say so: a project. */
  thingId: string;
  /** What it is about where a thing may have more than one of a kind, such as an operation; empty otherwise. */
  subject: string;
  key: string;
  /** Not before this moment, although it is due otherwise; milliseconds since 1970. */
  heldUntil: number | null;
  /** How often it was asked for, with no end of it as yet. */
  attempts: number;
}

/** What is noted of work that was asked for: it holds as long as its key stays. */
export interface Note {
  item: DueItem;
  /** The attempts that are noted so far: where there are others, somebody else has noted something, and that holds. */
  after: number;
  /** Milliseconds since 1970, in the time of {@link Wanted.until}; infinity until the work becomes another. */
  notBefore: number | null;
  attempts: number;
}

export interface Wanted {
  kind: DueKind;
  /** Milliseconds since 1970: what was due by then, before what settings add. */
  until: number;
  /** The same: what was due before is left out. */
  from?: number;
}

export interface Turns {
  /** Who had the last turn. */
  after: string;
  /** So many lanes, and so much of each that it is about so much work. */
  atMost: number;
  /** So much work of one lane at most, less the open operations of its host that count. */
  perLane: number;
  counts: readonly OperationKind[];
}

/** So much is looked at to know who waits; where more is due, lanes are gone through one by one. */
export const LOOKED_AT = 1_000;

/** Finds what is due, by index: what is not costs nothing. Notes what was asked for. */
export class DueTables {
  constructor(private readonly data: DataSource) {}

  /** What is due of those whose turn it is. `first` is since when the longest overdue has been due, whosever turn it is. */
  async ready(wanted: Wanted, turns: Turns): Promise<{ work: DueItem[]; lanes: string[]; first: number }> {
    const { lanes, first } = await this.lanes(wanted, turns);
    if (lanes.length === 0) return { work: [], lanes, first };
    const { counts, perLane, atMost } = turns;
    const share = Math.ceil(atMost / lanes.length);
    const rows = await this.data.query<Row[]>(READY, [...boundsOf(wanted), lanes, counts, perLane, share]);
    return { work: rows.map(itemOf), lanes, first };
  }

  /**
   * Notes it of what is still the same work, of which nobody else has noted anything.
   *
   * @returns of which it was noted, and of which it was not, as somebody is changing them
   */
  async note(kind: DueKind, notes: readonly Note[]): Promise<{ noted: Set<DueItem>; locked: Set<DueItem> }> {
    if (notes.length === 0) return { noted: new Set(), locked: new Set() };
    const wanted = notes.map(({ item, after, notBefore, attempts }) => ({
      ...{ thing_id: item.thingId, subject: item.subject, key: item.key, after, attempts },
      not_before: notBefore === Infinity ? 'infinity' : notBefore === null ? null : new Date(notBefore).toISOString(),
    }));
    const found = await this.data.query<Found[]>(NOTE, [kind, JSON.stringify(wanted)]);
    const items = new Map(notes.map(({ item }) => [`${item.thingId}/${item.subject}/${item.key}`, item]));
    const of = (rows: Found[]) =>
      new Set(rows.map(({ thing_id, subject, key }) => items.get(`${thing_id}/${subject}/${key}`)!));
    return { noted: of(found.filter(({ noted }) => noted)), locked: of(found.filter(({ noted }) => !noted)) };
  }

  /**
   * Undoes what only a clock that was wrong can have set, as far as the clock that says `now` can tell. What is further ahead
   * than twice what it waits waits from now on; what another leader has counted so, and is not further ahead, is due when it
   * was; nothing is put off for longer than anything is.
   *
   * @returns whether there may be more of it
   */
  async correct({ kind, until }: Wanted, now: number): Promise<boolean> {
    const [plausible, putOff] = [now + (now - until), until + 2 * LONGEST_PAUSE_MS];
    const moments = [now, plausible, putOff].map((at) => new Date(at));
    const [row] = await this.data.query<{ corrected: number }[]>(CORRECT, [kind, ...moments]);
    return row!.corrected >= CORRECTED_AT_ONCE;
  }

  /** Since when the longest overdue work has been due, before what settings add; null where nothing is due. */
  async earliest({ kind, until }: Wanted): Promise<number | null> {
    const [row] = await this.data.query<{ ready_at: Date }[]>(EARLIEST, [kind, new Date(until)]);
    return row?.ready_at.getTime() ?? null;
  }

  private async lanes(wanted: Wanted, { after, atMost }: Turns): Promise<{ lanes: string[]; first: number }> {
    const bounds = boundsOf(wanted);
    const due = await this.data.query<{ lane: string; ready_at: Date }[]>(WAITING, [...bounds, LOOKED_AT]);
    const first = due[0]?.ready_at.getTime() ?? wanted.until;
    const waiting = due.map(({ lane }) => lane);
    if (due.length < LOOKED_AT) return { lanes: nextTurns(waiting, { after, atMost }), first };
    const walk = (from: string) => this.data.query<{ lane: string }[]>(LANES, [...bounds, from, atMost]);
    const ahead = await walk(after);
    const all = ahead.length < atMost && after !== '' ? [...ahead, ...(await walk(''))] : ahead;
    const lanes = nextTurns(
      all.map(({ lane }) => lane),
      { after, atMost },
    );
    return { lanes, first };
  }
}

function boundsOf({ kind, until, from = -Infinity }: Wanted): [DueKind, Date, Date | '-infinity'] {
  return [kind, new Date(until), from === -Infinity ? '-infinity' : new Date(from)];
}

interface Row {
  thing_id: string;
  subject: string;
  lane: string;
  key: string;
  ready_at: Date;
  held_until: Date | null;
  attempts: number;
}

interface Found {
  thing_id: string;
  subject: string;
  key: string;
  noted: boolean;
}

function itemOf({ thing_id, subject, lane, key, ready_at, held_until, attempts }: Row): DueItem {
  const readyAt = ready_at.getTime();
  return { thingId: thing_id, subject, lane, key, readyAt, heldUntil: held_until?.getTime() ?? null, attempts };
}

const WAITING = `
  SELECT lane, ready_at FROM scheduler.due WHERE kind = $1 AND ready_at BETWEEN $3 AND $2 ORDER BY ready_at LIMIT $4`;

const EARLIEST = `SELECT ready_at FROM scheduler.due WHERE kind = $1 AND ready_at <= $2 ORDER BY ready_at LIMIT 1`;

/** From one lane to the next, each by its earliest work: what else it has is not looked at. */
const LANES = `
  WITH RECURSIVE lanes AS (
    (SELECT lane, ready_at FROM scheduler.due WHERE kind = $1 AND lane > $4 AND ready_at >= $3
      ORDER BY lane, ready_at LIMIT 1)
     UNION ALL
    SELECT next.lane, next.ready_at FROM lanes CROSS JOIN LATERAL (
      SELECT lane, ready_at FROM scheduler.due WHERE kind = $1 AND lane > lanes.lane AND ready_at >= $3
       ORDER BY lane, ready_at LIMIT 1) AS next)
  SELECT lane FROM lanes WHERE ready_at <= $2 LIMIT $5`;

const READY = `
  SELECT due.thing_id, due.subject, due.lane, due.key, due.ready_at, due.held_until, due.attempts
    FROM unnest($4::text[]) AS turn (lane)
   CROSS JOIN LATERAL (
     SELECT count(*) AS operations FROM (
       SELECT FROM scheduler.operation WHERE NOT ended AND host_id = turn.lane AND kind = ANY ($5::text[])
        LIMIT $6::int) AS counted) AS open
   CROSS JOIN LATERAL (
     SELECT * FROM scheduler.due WHERE kind = $1 AND lane = turn.lane AND ready_at BETWEEN $3 AND $2
      ORDER BY ready_at LIMIT least($7::int, greatest(0, $6::int - open.operations))) AS due`;

/** Whoever changes rows meanwhile, such as the projection, waits for nobody here: what it changes is left out. */
const NOTE = `
  WITH wanted AS (
    SELECT * FROM jsonb_to_recordset($2::jsonb) AS note (
      thing_id text, subject text, key text, after int, attempts int, not_before timestamptz)),
  same AS MATERIALIZED (
    SELECT thing_id, subject, key FROM wanted JOIN scheduler.due USING (thing_id, subject, key)
     WHERE due.kind = $1 AND due.attempts = wanted.after),
  mine AS (
    SELECT thing_id, subject, wanted.attempts, wanted.not_before
      FROM wanted JOIN scheduler.due USING (thing_id, subject, key)
     WHERE due.kind = $1 AND due.attempts = wanted.after FOR UPDATE OF due SKIP LOCKED),
  noted AS (
    UPDATE scheduler.due SET not_before = mine.not_before, attempts = mine.attempts
      FROM mine WHERE due.kind = $1 AND due.thing_id = mine.thing_id AND due.subject = mine.subject
    RETURNING due.thing_id, due.subject)
  SELECT thing_id, subject, key, noted.thing_id IS NOT NULL AS noted FROM same LEFT JOIN noted USING (thing_id, subject)`;

const CORRECTED_AT_ONCE = 1_000;

/** Rows that somebody else changes wait for the next round. */
const wrong = (where: string, order: string): string => `
  SELECT * FROM (SELECT ctid FROM scheduler.due WHERE kind = $1 AND ${where}
                  ORDER BY ${order} LIMIT ${CORRECTED_AT_ONCE} FOR UPDATE SKIP LOCKED) AS found`;

/** The moments of the log stay as they are: what is noted beside them holds for clocks by which it is so, and no longer. */
const CORRECT = `
  WITH corrected AS (
    UPDATE scheduler.due SET counted_from = CASE WHEN plausible_from > $3 THEN $2::timestamptz END,
           not_before = CASE WHEN not_before > $4 AND not_before < 'infinity' THEN NULL ELSE not_before END
     WHERE ctid = ANY (ARRAY(
       ${wrong(
         'plausible_from IS NOT NULL AND coalesce(counted_from, plausible_from) > $3',
         'coalesce(counted_from, plausible_from)',
       )}
        UNION ALL ${wrong('counted_from IS NOT NULL AND plausible_from <= $3', 'plausible_from')}
        UNION ALL ${wrong(`not_before > $4 AND not_before < 'infinity'`, 'not_before')}))
    RETURNING 1)
  SELECT count(*)::int AS corrected FROM corrected`;
