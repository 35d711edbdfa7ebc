import { jetstream, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { STREAM, subjects, writeConfirmation, type Commands } from '@buckets/contracts';
import { ask, News, type Projector } from '@buckets/log';
import { Backoff, quietPause } from '@buckets/patience';
import type { Logger } from '@buckets/service';
import type { Counter } from 'prom-client';
import type { DataSource } from 'typeorm';
import { ActivityBoard } from './activity/activity-board.js';
import { ActivityReader } from './activity/activity-reader.js';
import { ClockSkews } from './activity/clock-skews.js';
import { steadyClock } from './activity/clock.js';
import { SilentHosts } from './activity/silent-hosts.js';
import { DueTables } from './due/due-tables.js';
import { DueWork, type WorkOfKind } from './due/due-work.js';
import { Confirmations } from './freshness/confirmations.js';
import { FreshnessEngine } from './freshness/freshness-engine.js';
import { FreshnessTables } from './freshness/freshness-tables.js';
import { ReportRequests } from './freshness/report-requests.js';
import { Statements } from './freshness/statements.js';
import { Leadership } from './leadership/leadership.js';
import type { SchedulerMetrics } from './metrics.js';
import type { SchedulerSettings } from './settings.js';
import { backups } from './work/backups.js';
import { deletions } from './work/deletions.js';
import { expiries } from './work/expiries.js';
import { hostsHeard } from './work/hosts-heard.js';
import { LimitsTables } from './work/limits-tables.js';
import { RetentionTables } from './work/retention-tables.js';
import { tidyings } from './work/tidyings.js';
import { verifications } from './work/verifications.js';
import type { DueKind } from './when/due-moment.js';

export interface SchedulerParts {
  nats: NatsConnection;
  jsm: JetStreamManager;
  data: DataSource;
  projector: Projector;
  metrics: SchedulerMetrics;
  settings: Pick<
    SchedulerSettings,
    | 'silenceLimitMs'
    | 'confirmEveryMs'
    | 'scheduleTickMs'
    | 'scheduleAtMost'
    | 'schedulePerHost'
    | 'cancelLimitMs'
    | 'orphanGraceMs'
    | 'verifyIntervalMs'
  >;
  log: Logger;
}

const LOOK_AGAIN_MS = 5_000;
const LOOK_FOR_SILENCE_MS = 5_000;
const STATEMENTS_AT_ONCE = 8;
const BETWEEN_STATEMENTS_MS = 1_000;
const BETWEEN_TRIES = new Backoff({ firstMs: 500, maxMs: 30_000 });
const BETWEEN_REPORT_REQUESTS = new Backoff({ firstMs: 2_000, maxMs: 5 * 60_000 });

/** What a copy of the scheduler does while it leads: it states how fresh projects are, and has done what is due. */
export class Scheduler {
  readonly clocks: ClockSkews;
  private readonly stopping = new AbortController();
  private readonly leadership: Leadership;
  private running: Promise<void> | undefined;
  /** While this copy leads. */
  private leading: { reader: ActivityReader; engine: FreshnessEngine; silent: SilentHosts } | undefined;

  constructor(private readonly parts: SchedulerParts) {
    this.clocks = new ClockSkews(parts.log);
    this.leadership = new Leadership(parts.data, 'buckets scheduler', parts.log);
  }

  start(): void {
    this.running = this.leadership.run((signal) => this.lead(signal), this.stopping.signal);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /** Whether what leads gets on. @throws {NoHeadway} */
  check(): void {
    this.leading?.reader.check();
    this.leading?.engine.headway.check();
  }

  /** What people should see to of what hosts tell; null when there is nothing. */
  warning(): string | null {
    return this.leading?.reader.warning() ?? null;
  }

  /** The same of hosts of which nothing is heard. */
  hostsWarning(): string | null {
    return this.leading?.silent.warning() ?? null;
  }

  private async lead(signal: AbortSignal): Promise<void> {
    const { nats, jsm, data, projector, metrics, settings, log } = this.parts;
    await this.reachTheEndOfTheLog(signal);
    const board = new ActivityBoard();
    const tables = new FreshnessTables(data);
    let statedPosition = 0;
    const statements = new Statements({
      send: async (statement) => {
        const command = subjects.command('state-freshness');
        const { position: at } = await ask<Commands['state-freshness']['result']>(nats, command, statement);
        statedPosition = Math.max(statedPosition, at);
      },
      atOnce: STATEMENTS_AT_ONCE,
      betweenMs: BETWEEN_STATEMENTS_MS,
      backoff: BETWEEN_TRIES,
      log,
      ended: (outcome) => metrics.statements.inc({ outcome }),
    });
    const requests = new ReportRequests({
      ask: (hostId) => ask(nats, subjects.request(hostId, 'report'), {}),
      backoff: BETWEEN_REPORT_REQUESTS,
      log,
    });
    const { silenceLimitMs, confirmEveryMs, scheduleTickMs, scheduleAtMost } = settings;
    const endOfLog = async (): Promise<number> => (await jsm.streams.info(STREAM.log)).state.last_seq;
    const clock = steadyClock;
    const engine = new FreshnessEngine({ tables, projector, board, statements, requests, clock, log, silenceLimitMs });
    const confirmations = new Confirmations({
      endOfLog,
      follows: (end, ends) => engine.follows(end, ends),
      known: () => ({
        position: Math.max(engine.position, statedPosition),
        waiting: engine.waitingSince,
        unstated: [...engine.unjudged, ...statements.unstated],
        hosts: board.complete(),
        looks: engine.looks,
      }),
      send: (confirmation) => {
        const { subject, bytes } = writeConfirmation(confirmation, 'buckets/scheduler');
        nats.publish(subject, bytes);
      },
      clock,
      log,
      everyMs: confirmEveryMs,
    });
    const dueTables = new DueTables(data);
    const due = this.kindsOfWork(board);
    const dueWork = due.map(
      (work) =>
        new DueWork(work, {
          tables: dueTables,
          position: () => projector.position,
          reaches: (at) => projector.reaches(at, { deadlineMs: LOOK_AGAIN_MS, signal }),
          endOfLog,
          log,
          tickMs: scheduleTickMs,
          atMost: scheduleAtMost,
        }),
    );
    metrics.leading({
      projects: () => tables.count(),
      hosts: () => board.count(clock.now(), silenceLimitMs),
      clocksOff: () => this.clocks.size,
      waiting: () => engine.waiting + statements.size,
      overdueMs: () => overdueMs(dueTables, due),
      unconfirmedMs: () => clock.now() - Math.min(confirmations.readAt ?? -Infinity, engine.waitingSince.byLog),
    });
    try {
      const reader = new ActivityReader(jetstream(nats), jsm, clock, this.clocks, log);
      const seenAt = (hostId: string): number | undefined => board.seenAt(hostId);
      const silent = new SilentHosts({ seenAt, log, silenceLimitMs });
      const lookForSilence = async (): Promise<void> =>
        silent.look(await tables.hosts(), { now: clock.now(), listeningSince: engine.listensSince });
      this.leading = { reader, engine, silent };
      await allOrNone(signal, [
        (ends) => reader.run(engine, ends),
        (ends) => engine.run(ends),
        (ends) => confirmations.run(ends),
        (ends) => overAndOver(lookForSilence, ends, log),
        ...dueWork.map((work) => (ends: AbortSignal) => work.run(ends)),
      ]);
    } finally {
      metrics.notLeading();
      this.leading = undefined;
      this.clocks.forget();
      statements.stop();
      requests.stop();
    }
  }

  private kindsOfWork(board: ActivityBoard): WorkOfKind[] {
    const { nats, data, metrics, settings, log } = this.parts;
    const { silenceLimitMs, schedulePerHost, cancelLimitMs, orphanGraceMs, verifyIntervalMs } = settings;
    const command =
      <Name extends keyof Commands & string>(name: Name) =>
      (body: Commands[Name]['command']) =>
        ask<Commands[Name]['result']>(nats, subjects.command(name), body);
    const counted = (work: WorkOfKind, counter: Counter<'outcome'>): WorkOfKind => ({
      ...work,
      ended: (outcome) => counter.inc({ outcome }),
    });
    return [
      counted(backups(command('request-backup'), schedulePerHost), metrics.requests),
      counted(deletions(command('request-forget'), new RetentionTables(data)), metrics.thinnings),
      counted(verifications(command('request-verify'), verifyIntervalMs), metrics.verifications),
      ...tidyings(command('request-tidy'), orphanGraceMs).map((work) => counted(work, metrics.tidyings)),
      ...expiries({
        expire: command('expire-operation'),
        tables: new LimitsTables(data),
        hosts: hostsHeard(board, { clock: steadyClock, silenceLimitMs }),
        cancelLimitMs,
        log,
        ended: (code, outcome) => metrics.timeWasUp(code, outcome),
      }),
    ];
  }

  /** Before that the tables tell of the past: backups that are in the log already would seem to be missing. */
  private async reachTheEndOfTheLog(signal: AbortSignal): Promise<void> {
    const { jsm, projector } = this.parts;
    const { state } = await jsm.streams.info(STREAM.log);
    while (!(await projector.reaches(state.last_seq, { deadlineMs: LOOK_AGAIN_MS, signal }))) {
      signal.throwIfAborted();
      if (projector.failure !== undefined) throw projector.failure;
    }
  }
}

async function overdueMs(tables: DueTables, due: readonly WorkOfKind[]): Promise<Map<DueKind, number>> {
  const now = Date.now();
  const each = due.map(async ({ kind, afterMs }) => {
    const until = now - afterMs;
    const earliest = await tables.earliest({ kind, until });
    return [kind, earliest === null ? 0 : until - earliest] as const;
  });
  return new Map(await Promise.all(each));
}

/** Looks for silent hosts until the signal. */
async function overAndOver(look: () => Promise<void>, signal: AbortSignal, log: Pick<Logger, 'warn'>): Promise<void> {
  const news = new News();
  while (!signal.aborted) {
    try {
      await look();
      news.over();
    } catch (error) {
      if (news.is(error) && !signal.aborted) log.warn({ error }, 'Silent hosts could not be looked for; trying again');
    }
    await quietPause(LOOK_FOR_SILENCE_MS, signal);
  }
}

/** Runs them side by side until the signal; when one fails, the others are ended too, and its error is thrown. */
async function allOrNone(signal: AbortSignal, runs: ((ends: AbortSignal) => Promise<void>)[]): Promise<void> {
  const failed = new AbortController();
  const ends = AbortSignal.any([signal, failed.signal]);
  const settled = await Promise.allSettled(
    runs.map((run) =>
      run(ends).catch((error: unknown) => {
        failed.abort();
        throw error;
      }),
    ),
  );
  const failure = settled.find(({ status }) => status === 'rejected');
  if (failure?.status === 'rejected') throw failure.reason;
}
