import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import { NO_HOST, readConfirmation, STREAM, subjects } from '@buckets/contracts';
import {
  restsOnHost,
  SCHEDULER_IS_SILENT,
  shownFreshness,
  type Confirmed,
  type StatedFreshness,
} from '@buckets/freshness';
import { isStreamMissing, LatestReader, type HeardMessage, type LatestListener, type Projector } from '@buckets/log';
import { unreachableDependency, type Logger } from '@buckets/service';
import type { ProjectRow } from '../tables/entities.js';
import type { FreshnessView } from './project-view.js';

/** What is known of a host's projects, or of what rests on the log alone. Moments are those of `performance.now()`. */
interface Known {
  position: number;
  at: number;
  lookedAt: number | undefined;
  unstatedSince: ReadonlyMap<string, number>;
}

/** One of them is shown, once the tables have got to its position; meanwhile the next one waits, and the newest after it. */
type Kept = [Known, ...Known[]];

/** A confirmation that comes later but is for an earlier moment is of a scheduler that knows less; but for this, in milliseconds. */
const ABOUT_THE_SAME_MS = 1_000;
/** Projects of which is remembered when they were shown to be confirmed. */
const MAX_SHOWN = 10_000;

/** What a project was last shown with. */
interface Shown {
  /** Whose word it rested on. */
  of: string;
  confirmedAt: number;
  /** RFC 3339 */
  date: string;
}

export interface ConfirmedFreshnessParts {
  projector: Pick<Projector, 'position'>;
  /** How long ago what is shown may have been confirmed, in milliseconds. */
  limitMs: number;
  log: Pick<Logger, 'warn'>;
}

/** The columns that a view of freshness is made from. */
export type FreshnessColumns = Pick<
  ProjectRow,
  | 'id'
  | 'host_id'
  | 'freshness'
  | 'freshness_reason'
  | 'stale_since'
  | 'covered_by'
  | 'freshness_at'
  | 'created_at'
  | 'unwatched'
  | 'cover_lost'
>;

/**
 * What may be shown of projects' freshness: what was stated, as long as the scheduler keeps confirming it. Whether that, a
 * host, NATS or this process's own reader has fallen silent: what is not confirmed any more is `unknown`.
 */
export class ConfirmedFreshness implements LatestListener {
  private readonly hosts = new Map<string, Kept>();
  private hears = false;
  /** Why the listening has ended; undefined before it has begun. */
  private deafness: unknown;
  private hearsSince = Number.NEGATIVE_INFINITY;
  private readonly shownOf = new Map<string, Shown>();
  private reader: LatestReader | undefined;

  constructor(private readonly parts: ConfirmedFreshnessParts) {}

  listening(): void {
    if (!this.hears) this.hearsSince = performance.now();
    this.hears = true;
  }

  deaf(why: unknown): void {
    this.hears = false;
    this.deafness = why;
  }

  /**
   * Of what the stream has kept from before only the clock of its server says how old it is, and that may have been set
   * back since: nothing may be shown by it. What holds is told again within moments.
   */
  hear({ subject, data: bytes, ageMs, live }: HeardMessage): void {
    if (!live) return;
    const { hostId, data } = readConfirmation(subject, bytes);
    const sentAt = performance.now() - ageMs;
    const { position, agoMs, lookedMs, unstated } = data;
    this.keep(hostId, {
      position,
      at: sentAt - agoMs,
      lookedAt: lookedMs === undefined ? undefined : sentAt - lookedMs,
      unstatedSince: new Map(unstated.map(({ projectId, ms = Infinity }) => [projectId, sentAt - ms])),
    });
  }

  /** Until the signal. */
  async listen(js: JetStreamClient, jsm: JetStreamManager, signal: AbortSignal): Promise<void> {
    const from = { stream: STREAM.activity, subject: subjects.allConfirmations };
    this.reader = new LatestReader(js, jsm, from, this.parts.log);
    await this.reader.run(this, signal);
  }

  /** @throws {NoHeadway} */
  check(): void {
    this.reader?.check();
  }

  /** How long ago all that rests on the log was confirmed, in milliseconds. */
  get unconfirmedMs(): number {
    const { position } = this.parts.projector;
    return performance.now() - (this.knownOf(NO_HOST, position)?.at ?? Number.NEGATIVE_INFINITY);
  }

  /** What people should see to; null when there is nothing. */
  warning(): string | null {
    if (this.unconfirmedMs <= this.parts.limitMs) return null;
    return `The freshness of projects is not confirmed, and shown as unknown. ${this.silence()}`;
  }

  /**
   * Shows rows that are read from now on. To be called before they are read: a confirmation speaks of rows that are
   * as new as it is.
   */
  view(): (row: FreshnessColumns) => FreshnessView {
    const { position } = this.parts.projector;
    return (row) => this.show(row, position);
  }

  private show(row: FreshnessColumns, position: number): FreshnessView {
    const ofHost = this.knownOf(row.host_id ?? NO_HOST, position);
    const ofLog = this.knownOf(NO_HOST, position);
    const confirmed: Confirmed = {
      ...given('byLogAt', ofLog?.at),
      ...given('byHostAt', ofHost?.at),
      ...given('lookedAt', ofHost?.lookedAt),
      ...given('unstatedSince', ofHost?.unstatedSince.get(row.id)),
      silence: this.silence(),
    };
    const now = performance.now();
    const stated = statedIn(row);
    const shown = shownFreshness(stated, confirmed, { now, limitMs: this.parts.limitMs });
    const { confirmedAt: at, asOf, ...rest } = shown;
    const of = restsOnHost(stated) ? (row.host_id ?? NO_HOST) : NO_HOST;
    const dateOf = (moment: number): string => new Date(Math.max(0, Date.now() - (now - moment))).toISOString();
    const confirmedAt = at === undefined ? undefined : this.neverBack(row, { of, confirmedAt: at, date: dateOf(at) });
    return {
      ...rest,
      ...(row.freshness_at === null ? {} : { statedAt: row.freshness_at }),
      // What was certain earlier is no word on what was stated since, nor on a project that was not there yet.
      ...(confirmedAt !== undefined && Date.parse(confirmedAt) >= Date.parse(row.freshness_at ?? row.created_at)
        ? { confirmedAt }
        : {}),
      ...(asOf === undefined ? {} : { asOf: dateOf(asOf) }),
    };
  }

  /** The times that messages take move it by some milliseconds. Another's word may well be older. */
  private neverBack({ id }: FreshnessColumns, found: Shown): string {
    const before = this.shownOf.get(id);
    const shown = before?.of === found.of && before.confirmedAt >= found.confirmedAt ? before : found;
    this.shownOf.delete(id);
    this.shownOf.set(id, shown);
    const [oldest] = this.shownOf.keys();
    if (this.shownOf.size > MAX_SHOWN) this.shownOf.delete(oldest!);
    return shown.date;
  }

  private keep(hostId: string, next: Known): void {
    const kept = this.hosts.get(hostId);
    if (kept === undefined) {
      this.hosts.set(hostId, [next]);
      return;
    }
    if (next.at < kept.at(-1)!.at - ABOUT_THE_SAME_MS) return;
    // A log that was put back begins anew at an earlier position: what waits for a later one waits for nothing.
    while (kept.length > 1 && kept.at(-1)!.position > next.position) kept.pop();
    if (kept.length > 2) kept.pop();
    kept.push(next);
  }

  /** The newest that speaks of tables which have got to this position. */
  private knownOf(hostId: string, position: number): Known | undefined {
    const kept = this.hosts.get(hostId);
    if (kept === undefined) return undefined;
    while (kept.length > 1 && kept[1]!.position <= position) kept.shift();
    return kept[0].position <= position ? kept[0] : undefined;
  }

  private silence(): string {
    if (!this.hears) return whyDeaf(this.deafness);
    const kept = this.hosts.get(NO_HOST);
    const heardForMs = performance.now() - this.hearsSince;
    if (kept === undefined && heardForMs <= this.parts.limitMs) return 'The API has begun to listen a moment ago.';
    const isBehind = kept !== undefined && kept.at(-1)!.position > this.parts.projector.position;
    return isBehind ? 'The API has not caught up with the log.' : SCHEDULER_IS_SILENT;
  }
}

function whyDeaf(why: unknown): string {
  if (why === undefined) return 'The API does not listen to the scheduler yet.';
  if (isStreamMissing(why)) {
    return 'The API does not hear the scheduler: NATS has lost the stream that it speaks on. The API’s health says what to do.';
  }
  if (unreachableDependency(why) === 'nats') return 'The API does not hear the scheduler: NATS is away.';
  return 'The API does not hear the scheduler: what it tells cannot be read from NATS at the moment.';
}

/** What is known of the backup that holds everything counts at once, before anybody has stated what follows from it. */
function statedIn(row: FreshnessColumns): StatedFreshness {
  if (row.cover_lost === 'damaged') {
    return { freshness: 'unknown', reason: 'The backup that held everything is damaged; others are being looked at.' };
  }
  if (row.cover_lost === 'in-doubt') {
    return { freshness: 'unknown', reason: 'A deletion may have removed the backup that held everything.' };
  }
  return {
    freshness: row.freshness,
    ...(row.stale_since === null ? {} : { staleSince: row.stale_since }),
    reason: row.freshness_reason,
    ...(row.covered_by === null ? {} : { coveredBy: row.covered_by }),
    ...(row.unwatched ? { watched: false } : {}),
  };
}

function given<K extends string>(name: K, moment: number | undefined): { [P in K]?: number } {
  return (moment === undefined ? {} : { [name]: moment }) as { [P in K]?: number };
}
