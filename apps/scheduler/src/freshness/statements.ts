import type { Commands, FreshnessChanged, FreshnessState } from '@buckets/contracts';
import { Refused } from '@buckets/log';
import type { Backoff } from '@buckets/patience';
import type { Logger } from '@buckets/service';
import type { Unstated } from './confirmations.js';

export type Statement = Commands['state-freshness']['command'];

export interface StatementsOptions {
  /** Asks the control plane to state it. */
  send: (statement: Statement) => Promise<unknown>;
  /** Statements under way at once. */
  atOnce: number;
  /** Between two statements on one project, unless protection is lost or regained; milliseconds. */
  betweenMs: number;
  backoff: Backoff;
  log: Pick<Logger, 'warn'>;
  /** Called with how each attempt ended, for the metrics. */
  ended?: (outcome: 'stated' | 'refused' | 'failed') => void;
}

/** Attempts on one statement; whoever looks at the project again later will want it again. */
const MAX_ATTEMPTS = 10;

/**
 * What is to be stated of projects' freshness: of each only the newest, no more often than needed, so many at once,
 * again after a failure.
 */
export class Statements {
  private readonly projects = new Map<string, Pending>();
  private readonly ready = new Set<Pending>();
  private inWork = 0;
  private stopped = false;

  constructor(private readonly options: StatementsOptions) {}

  /**
   * How things stand with a project now, which replaces what was to be stated of it before. Nothing is, where the last
   * statement says the same: the one that is under way or was taken a moment ago, or else the one in the tables.
   *
   * @param news whose host it is, and since when there is something new about it
   */
  offer(statement: Statement, inTables: Said | null, news = { hostId: '', since: Number.NEGATIVE_INFINITY }): void {
    if (this.stopped) return;
    const pending = this.projects.get(statement.projectId) ?? newPending(statement.projectId);
    const last = (pending.sending ?? pending.stated)?.freshness ?? inTables ?? NEVER;
    const isUnstated = isOpen(pending);
    pending.givenUp = false;
    pending.hostId = news.hostId;
    if (saysTheSame(last, statement.freshness)) {
      pending.wanted = pending.sending;
    } else {
      pending.since = isUnstated ? Math.min(pending.since, news.since) : news.since;
      if (pending.wanted === undefined || !saysTheSame(pending.wanted.freshness, statement.freshness)) {
        pending.attempts = 0;
      }
      pending.wanted = statement;
      pending.urgent = isUrgent(last.freshness, statement.freshness.freshness);
    }
    if (pending.wanted === undefined && !this.projects.has(statement.projectId)) return;
    this.projects.set(statement.projectId, pending);
    this.proceed(pending);
  }

  /** Projects that something is still to be stated of. */
  get size(): number {
    return [...this.projects.values()].filter(({ wanted, sending }) => wanted !== undefined || sending !== undefined)
      .length;
  }

  /** The projects of which something is known that is not stated: yet, or because it was not taken. */
  get unstated(): Unstated[] {
    return [...this.projects.values()]
      .filter(isOpen)
      .map(({ projectId, hostId, since }) => ({ projectId, hostId, since }));
  }

  stop(): void {
    this.stopped = true;
    for (const pending of this.projects.values()) this.forget(pending);
  }

  private proceed(pending: Pending): void {
    clearTimeout(pending.timer);
    this.ready.delete(pending);
    if (this.stopped || pending.sending !== undefined) return;
    if (pending.wanted === undefined) return this.forgetInTime(pending);
    const waitMs = this.waitMs(pending);
    if (waitMs > 0) {
      pending.timer = setTimeout(() => this.proceed(pending), waitMs);
    } else if (this.inWork >= this.options.atOnce) {
      this.ready.add(pending);
    } else {
      void this.send(pending, pending.wanted);
    }
  }

  private waitMs({ attempts, failedAt, urgent, statedAt }: Pending): number {
    const now = performance.now();
    if (attempts > 0) return failedAt + this.options.backoff.delayMs(attempts) - now;
    return urgent ? 0 : statedAt + this.options.betweenMs - now;
  }

  private async send(pending: Pending, statement: Statement): Promise<void> {
    this.inWork++;
    pending.sending = statement;
    try {
      await this.options.send(statement);
      pending.stated = statement;
      pending.statedAt = performance.now();
      this.settle(pending, statement);
      this.options.ended?.('stated');
    } catch (error) {
      this.fail(pending, statement, error);
    } finally {
      this.inWork--;
      pending.sending = undefined;
      this.proceed(pending);
      const [next] = this.ready;
      if (next !== undefined) this.proceed(next);
    }
  }

  private fail(pending: Pending, statement: Statement, error: unknown): void {
    const final = error instanceof Refused && !error.refusal.retry;
    pending.attempts++;
    pending.failedAt = performance.now();
    this.options.ended?.(final ? 'refused' : 'failed');
    if (final || pending.attempts >= MAX_ATTEMPTS) {
      this.settle(pending, statement);
      pending.givenUp = true;
      pending.stated = undefined;
    }
    this.options.log.warn(
      { error, projectId: statement.projectId, attempts: pending.attempts },
      'A statement on freshness was not taken',
    );
  }

  private settle(pending: Pending, { freshness }: Statement): void {
    if (pending.wanted !== undefined && saysTheSame(pending.wanted.freshness, freshness)) pending.wanted = undefined;
    pending.attempts = 0;
  }

  /** Remembers for a moment what was stated, as the tables may not show it yet. */
  private forgetInTime(pending: Pending): void {
    // Until somebody looks at it again, what was stated of it is not what it should be.
    if (pending.givenUp) return;
    pending.timer = setTimeout(() => this.forget(pending), this.options.betweenMs);
  }

  private forget(pending: Pending): void {
    clearTimeout(pending.timer);
    this.ready.delete(pending);
    this.projects.delete(pending.projectId);
  }
}

/** What a statement says, apart from how far the counter has come. */
export type Said = Pick<FreshnessChanged, 'freshness' | 'staleSince' | 'coveredBy' | 'reason' | 'watched'>;

/** What holds of a project of which nothing was ever stated. */
const NEVER = { freshness: 'never' as const };

function saysTheSame(one: Partial<Said>, other: Said): boolean {
  if (one === NEVER) return other.freshness === 'never';
  return (
    one.freshness === other.freshness &&
    one.staleSince === other.staleSince &&
    one.coveredBy === other.coveredBy &&
    one.reason === other.reason &&
    one.watched === other.watched
  );
}

interface Pending {
  projectId: string;
  hostId: string;
  /** Since when something is known of it that is not stated, by the clock of whoever offered it. */
  since: number;
  /** What should have been stated was not taken. */
  givenUp: boolean;
  wanted?: Statement;
  sending?: Statement;
  /** What was taken a moment ago. */
  stated: Statement | undefined;
  /** These two in milliseconds of `performance.now()`. */
  statedAt: number;
  failedAt: number;
  urgent: boolean;
  attempts: number;
  timer?: NodeJS.Timeout;
}

function newPending(projectId: string): Pending {
  const never = Number.NEGATIVE_INFINITY;
  return {
    projectId,
    hostId: '',
    since: never,
    givenUp: false,
    stated: undefined,
    statedAt: never,
    failedAt: 0,
    urgent: false,
    attempts: 0,
  };
}

function isOpen({ wanted, sending, givenUp }: Pending): boolean {
  return wanted !== undefined || sending !== undefined || givenUp;
}

function isUrgent(from: FreshnessState, to: FreshnessState): boolean {
  return (from === 'fresh' && to === 'stale') || (from === 'stale' && to === 'fresh');
}
