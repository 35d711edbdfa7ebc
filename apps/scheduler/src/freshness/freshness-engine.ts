import { setTimeout as pause } from 'node:timers/promises';
import { NO_HOST, NO_PROJECT, type ReceivedActivity } from '@buckets/contracts';
import { freshnessOf, lastLook, type Freshness, type FreshnessFacts } from '@buckets/freshness';
import { Headway, type Projector } from '@buckets/log';
import { Backoff } from '@buckets/patience';
import type { Logger } from '@buckets/service';
import type { ActivityBoard, Heard } from '../activity/activity-board.js';
import type { ActivityListener } from '../activity/activity-reader.js';
import type { Clock } from '../activity/clock.js';
import type { Unstated, Waiting } from './confirmations.js';
import type { FreshnessTables, ProjectFacts } from './freshness-tables.js';
import { HostSilence } from './host-silence.js';
import type { ReportRequests } from './report-requests.js';
import type { Statements } from './statements.js';

export interface FreshnessEngineParts {
  tables: Pick<FreshnessTables, 'read' | 'position' | 'changedAfter' | 'page'>;
  projector: Pick<Projector, 'position' | 'failure' | 'reaches'>;
  board: ActivityBoard;
  statements: Pick<Statements, 'offer'>;
  requests: Pick<ReportRequests, 'need' | 'settle' | 'drop'>;
  clock: Clock;
  log: Pick<Logger, 'warn'>;
  /** How long a host may say nothing before nobody can know; milliseconds. */
  silenceLimitMs: number;
}

/** Projects read at once. */
const BATCH = 50;
const PAGE = 500;
/** What happens to a project within so long is looked at once. */
const COALESCE_MS = 100;
/** Between two looks at something that is about to be. */
const SOON_MS = 20;
const BETWEEN_TRIES = new Backoff({ firstMs: 500, maxMs: 15_000 });
const LOOK_AGAIN_MS = 1_000;
/** Between two pages of the round that looks at every project, whatever has happened. */
const SWEEP_PAUSE_MS = 15_000;
/** How often projects are sought whose host has not looked through them for too long. */
const LOOKS_EVERY_MS = 5_000;
const FOLLOW_LIMIT_MS = 1_000;
/** How often to see whether this process stands still, and what counts as that. */
const TURN_MS = 500;
const STANDSTILL_MS = 2_000;
/** Nobody remembers since when. */
const EVER = Number.NEGATIVE_INFINITY;

/** The look at a project on which its freshness rests. */
interface Look {
  hostId: string;
  at: number;
  isEnoughUntil: number;
  watched: boolean;
}

/**
 * Looks at a project again whenever something has happened that its freshness depends on: an event, a report, a host
 * that fell silent or came back. What differs from what was stated last is offered to be stated.
 */
export class FreshnessEngine implements ActivityListener {
  /** What is to be looked at. */
  private readonly projects = new Map<string, News>();
  private readonly hosts = new Map<string, number>();
  private inWork: ReadonlyMap<string, News> = new Map();
  /** They seem unknown, but only because this process has not listened for long enough. */
  private readonly undecided = new Map<string, Unstated>();
  /** Their host is heard, but its present process has not reported on them yet. */
  private readonly unreported = new Map<string, Unstated>();
  private readonly freshByLook = new Map<string, Look>();
  /** Whether each project was looked for once: before, what was stated by another copy may hold no more. */
  private isSwept = false;
  /** The position up to which projects with new events are known. */
  private followed = 0;
  /** Until when all projects with new events were known. */
  private readAt = EVER;
  readonly headway = new Headway('The look at the freshness of projects');
  private readonly silence: HostSilence;
  private readonly timers = new Set<NodeJS.Timeout>();
  private listeningSince = Number.POSITIVE_INFINITY;
  /** The furthest position that the tables were seen at: at less, they were put back, and tell of the past. */
  private furthest = 0;
  private wake = (): void => undefined;

  constructor(private readonly parts: FreshnessEngineParts) {
    const { board, clock, requests, silenceLimitMs } = parts;
    const seenAt = (hostId: string): number | undefined => board.seenAt(hostId);
    this.silence = new HostSilence(silenceLimitMs, clock, seenAt, (hostId, silent) => {
      if (silent) requests.drop(hostId);
      this.lookAtHost(hostId);
    });
  }

  /** Since when all is heard that hosts say, by the clock; Infinity while it is not. */
  get listensSince(): number {
    return this.listeningSince;
  }

  /** Projects that are still to be looked at. */
  get waiting(): number {
    return this.projects.size;
  }

  /** The furthest position that a statement was compared with. */
  get position(): number {
    return this.furthest;
  }

  /** Since when there may be something new that is not looked at yet. */
  get waitingSince(): Waiting {
    let byLog = this.isSwept ? Infinity : EVER;
    const byHosts = new Map(this.hosts);
    for (const waiting of [this.projects, this.inWork]) {
      for (const news of waiting.values()) {
        byLog = Math.min(byLog, news.byLog);
        for (const [hostId, since] of news.byHosts) earlier(byHosts, hostId, since);
      }
    }
    return { byLog, byHosts };
  }

  /** Projects that were looked at, but too little is known for them to be judged as things stand. */
  get unjudged(): Unstated[] {
    return [...this.undecided.values(), ...this.unreported.values()];
  }

  /** The looks on which the freshness of projects rests that nobody watches. */
  get looks(): { hostId: string; at: number }[] {
    return [...this.freshByLook.values()].filter(({ watched }) => !watched);
  }

  /** Whether all projects are known with events up to the end that the log had at a moment; waits a little for it. */
  async follows({ position, at }: { position: number; at: number }, signal: AbortSignal): Promise<boolean> {
    const deadline = performance.now() + FOLLOW_LIMIT_MS;
    await this.parts.projector.reaches(position, { deadlineMs: FOLLOW_LIMIT_MS, signal });
    while (this.followed < position && performance.now() < deadline && !signal.aborted) {
      await pause(SOON_MS, undefined, { signal }).catch(() => undefined);
    }
    if (this.followed < position) return false;
    this.readAt = at;
    return true;
  }

  /** Until the signal. The tables must have reached the end of the log. */
  async run(signal: AbortSignal): Promise<void> {
    this.furthest = await this.parts.tables.position();
    signal.addEventListener('abort', () => this.wake(), { once: true });
    try {
      await Promise.all([
        this.follow(this.furthest, signal),
        this.sweep(signal),
        this.work(signal),
        this.findOldLooks(signal),
        this.noticeStandstills(signal),
      ]);
    } finally {
      this.silence.stop();
      for (const timer of this.timers) clearTimeout(timer);
    }
  }

  listening(): void {
    this.listeningSince = this.parts.clock.now();
    this.afterSilenceLimit(() => {
      for (const { projectId, hostId, since } of this.undecided.values()) this.lookFor(hostId, [projectId], since);
      this.undecided.clear();
    });
  }

  /** What is not heard now does not make a host silent. */
  deaf(): void {
    this.listeningSince = Number.POSITIVE_INFINITY;
  }

  hear(activity: ReceivedActivity, heard: Heard): void {
    const { board, requests } = this.parts;
    const { hostId, projectId, newProcess, certainAt = EVER, isComplete } = board.hear(activity, heard);
    // What is told now may have come about at any time since all was told that there was.
    if (projectId !== undefined) this.lookFor(hostId, [projectId], certainAt);
    if (isComplete === true) requests.settle(hostId, NO_PROJECT);
    // The missing report may be on its way: it is asked for after a while.
    if (isComplete === false && board.isHeardLive(hostId)) requests.need(hostId, NO_PROJECT);
    if (newProcess) {
      // Now, to find the reports that are missing; later, because those of the process before count no longer.
      this.lookAtHost(hostId, certainAt);
      this.afterSilenceLimit(() => this.lookAtHost(hostId));
    }
    this.silence.heard(hostId);
  }

  /** There may be something new about them in the log since a moment. */
  private look(ids: Iterable<string>, since: number): void {
    for (const id of ids) {
      const news = this.newsOf(id);
      news.byLog = Math.min(news.byLog, since);
    }
    this.wake();
  }

  /** The same by the word of a host, or for want of it. */
  private lookFor(hostId: string, ids: Iterable<string>, since: number): void {
    for (const id of ids) earlier(this.newsOf(id).byHosts, hostId, since);
    this.wake();
  }

  private newsOf(id: string): News {
    const news = this.projects.get(id) ?? { byLog: Infinity, byHosts: new Map<string, number>() };
    this.projects.set(id, news);
    return news;
  }

  private lookAtHost(hostId: string, since = this.parts.clock.now()): void {
    earlier(this.hosts, hostId, since);
    this.wake();
  }

  private afterSilenceLimit(act: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      act();
      this.wake();
    }, this.parts.silenceLimitMs + 1);
    this.timers.add(timer);
  }

  /** Projects with new events. */
  private async follow(from: number, signal: AbortSignal): Promise<void> {
    const { projector, tables } = this.parts;
    let handled = from;
    await this.untilAborted(signal, async () => {
      const reached = projector.position;
      const changes = await tables.changedAfter(handled, PAGE);
      this.look(
        changes.map(({ id }) => id),
        this.readAt,
      );
      handled = changes.at(-1)?.position ?? handled;
      if (changes.length === PAGE) return;
      this.followed = Math.max(reached, handled);
      // Of what another copy writes there may be no word.
      await projector.reaches(reached + 1, { deadlineMs: LOOK_AGAIN_MS, signal });
    });
  }

  /** Every project: once at the beginning, then over and over at leisure, in case something was missed. */
  private async sweep(signal: AbortSignal): Promise<void> {
    let after = '';
    let first = true;
    await this.untilAborted(signal, async () => {
      if (this.projects.size < PAGE) {
        const ids = await this.parts.tables.page({ after, limit: PAGE });
        this.look(ids, first ? EVER : this.parts.clock.now());
        after = ids.at(-1) ?? '';
        first &&= after !== '';
        this.isSwept ||= !first;
      }
      await pause(first ? SOON_MS : SWEEP_PAUSE_MS, undefined, { signal });
    });
  }

  /** While this process stood still it heard nobody: no host is silent for that. */
  private async noticeStandstills(signal: AbortSignal): Promise<void> {
    await this.untilAborted(signal, async () => {
      const before = performance.now();
      await pause(TURN_MS, undefined, { signal });
      const stoodStillMs = performance.now() - before - TURN_MS;
      if (stoodStillMs > STANDSTILL_MS && this.listeningSince !== Number.POSITIVE_INFINITY) this.listening();
    });
  }

  /** What is fresh by a look is not, once that was too long ago: nothing else happens then. */
  private async findOldLooks(signal: AbortSignal): Promise<void> {
    await this.untilAborted(signal, async () => {
      await pause(LOOKS_EVERY_MS, undefined, { signal });
      const now = this.parts.clock.now();
      for (const [id, { hostId, isEnoughUntil }] of this.freshByLook) {
        if (now > isEnoughUntil) this.lookFor(hostId, [id], isEnoughUntil);
      }
    });
  }

  private async work(signal: AbortSignal): Promise<void> {
    await this.untilAborted(signal, async () => {
      if (this.projects.size === 0 && this.hosts.size === 0) await this.woken(signal);
      // What fills a batch has no need to wait for more.
      if (this.projects.size < BATCH) await pause(COALESCE_MS, undefined, { signal });
      await this.spread();
      const batch = new Map(this.projects.entries().take(BATCH));
      this.inWork = batch;
      for (const id of batch.keys()) this.projects.delete(id);
      const ended = this.headway.begin();
      try {
        await this.lookAt(batch);
        this.headway.gotOn();
      } catch (error) {
        this.headway.failed();
        for (const [id, { byLog, byHosts }] of batch) {
          this.look([id], byLog);
          for (const [hostId, since] of byHosts) this.lookFor(hostId, [id], since);
        }
        throw error;
      } finally {
        ended();
        this.inWork = new Map();
      }
    });
  }

  /** From hosts to their projects. */
  private async spread(): Promise<void> {
    for (const [hostId, since] of this.hosts) {
      for (let after: string | undefined = ''; after !== undefined;) {
        const ids: string[] = await this.parts.tables.page({ hostId, after, limit: PAGE });
        this.lookFor(hostId, ids, since);
        after = ids.length < PAGE ? undefined : ids.at(-1);
      }
      this.hosts.delete(hostId);
    }
  }

  private async lookAt(batch: ReadonlyMap<string, News>): Promise<void> {
    if (batch.size === 0) return;
    const { failure } = this.parts.projector;
    if (failure !== undefined) throw failure;
    const { position, projects } = await this.parts.tables.read([...batch.keys()]);
    if (position < this.furthest) throw new Error('The tables have not caught up with what they were.');
    this.furthest = position;
    for (const project of projects) this.judgeAlone(project, batch.get(project.id)!);
  }

  /** What goes wrong here goes wrong with this project: it is left out by name, and no other waits for it. */
  private judgeAlone(project: ProjectFacts, news: News): void {
    try {
      this.judge(project, news);
    } catch (error) {
      const { id: projectId, hostId } = project;
      this.parts.log.warn({ error, projectId }, 'The freshness of a project cannot be judged');
      this.undecided.set(projectId, { projectId, hostId: hostId ?? NO_HOST, since: EVER });
    }
  }

  private judge(project: ProjectFacts, { byLog, byHosts }: News): void {
    const { clock, silenceLimitMs, statements } = this.parts;
    const now = clock.now();
    const evidence = this.evidenceOf(project, now);
    const result = freshnessOf({ ...project, ...evidence, silenceLimitMs }, now);
    // That a host cannot look at the data is its own word, and no silence.
    const isTold = evidence.report?.trouble !== undefined;
    const { id: projectId, generation } = project;
    const hostId = project.hostId ?? NO_HOST;
    const since = Math.min(byLog, byHosts.get(hostId) ?? Infinity);
    if (result.freshness === 'unknown' && !isTold && now - this.listeningSince <= silenceLimitMs) {
      const before = this.undecided.get(projectId)?.since ?? since;
      this.undecided.set(projectId, { projectId, hostId, since: Math.min(since, before) });
      return;
    }
    const news = { hostId, since: Math.min(since, this.undecided.get(projectId)?.since ?? since) };
    this.undecided.delete(projectId);
    this.noteLook(project, result, evidence);
    statements.offer({ projectId, generation, freshness: result }, project.stated, news);
  }

  private noteLook({ id, hostId }: ProjectFacts, { freshness }: Freshness, evidence: Evidence): void {
    const { report, reportHeardAt } = evidence;
    const look = freshness === 'fresh' && report && lastLook(report, reportHeardAt!);
    if (look) this.freshByLook.set(id, { ...look, hostId: hostId ?? NO_HOST, watched: report.watched });
    else this.freshByLook.delete(id);
  }

  /** What the project's host has to say, and asking it where it should have said more. */
  private evidenceOf(project: ProjectFacts, now: number): Evidence {
    const { board, requests, silenceLimitMs } = this.parts;
    const { id, hostId, provisioned, backups } = project;
    if (hostId === null) return {};
    const hostSeenAt = board.seenAt(hostId);
    const heard = hostSeenAt !== undefined && now - hostSeenAt <= silenceLimitMs;
    const known = board.reportOf({ ...project, hostId });
    const wanted = provisioned && backups.length > 0 && known?.current !== true;
    if (wanted && heard) this.unreported.set(id, { projectId: id, hostId, since: known?.certainUntil ?? EVER });
    else this.unreported.delete(id);
    if (wanted && heard && board.isHeardLive(hostId)) requests.need(hostId, id);
    else requests.settle(hostId, id);

    const vouched = known?.vouchedAt !== undefined && now - known.vouchedAt <= silenceLimitMs;
    if (!vouched) return { hostSeenAt };
    return { report: known.report, reportHeardAt: known.heardAt, hostSeenAt: known.vouchedAt };
  }

  private async woken(signal: AbortSignal): Promise<void> {
    if (!signal.aborted) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  private async untilAborted(signal: AbortSignal, step: () => Promise<void>): Promise<void> {
    for (let failures = 0; !signal.aborted;) {
      try {
        await step();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.parts.log.warn({ error }, 'Freshness could not be looked at; trying again');
        await pause(BETWEEN_TRIES.delayMs(++failures), undefined, { signal }).catch(() => undefined);
      }
    }
  }
}

/** Since when there may be something new about a project: in the log, and by the word of hosts. */
interface News {
  byLog: number;
  byHosts: Map<string, number>;
}

function earlier(moments: Map<string, number>, key: string, moment: number): void {
  moments.set(key, Math.min(moment, moments.get(key) ?? moment));
}

type Evidence = Pick<FreshnessFacts, 'report' | 'reportHeardAt' | 'hostSeenAt'>;
