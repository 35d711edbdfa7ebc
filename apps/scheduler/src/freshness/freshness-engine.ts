import { setTimeout as pause } from 'node:timers/promises';
import type { ReceivedActivity } from '@buckets/contracts';
import { freshnessOf } from '@buckets/freshness';
import type { Projector } from '@buckets/log';
import { Backoff, type Logger } from '@buckets/service';
import type { ActivityBoard, Heard } from '../activity/activity-board.js';
import type { ActivityListener } from '../activity/activity-reader.js';
import type { Clock } from '../activity/clock.js';
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
const COALESCE_MS = 20;
const BETWEEN_TRIES = new Backoff({ firstMs: 500, maxMs: 15_000 });
const LOOK_AGAIN_MS = 1_000;
/** Between two pages of the round that looks at every project, whatever has happened. */
const SWEEP_PAUSE_MS = 15_000;

/**
 * Looks at a project again whenever something has happened that its freshness depends on: an event, a report, a host
 * that fell silent or came back. What differs from what was stated last is offered to be stated.
 */
export class FreshnessEngine implements ActivityListener {
  private readonly projects = new Set<string>();
  private readonly hosts = new Set<string>();
  /** They seem unknown, but only because this process has not listened for long enough. */
  private readonly undecided = new Set<string>();
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

  /** Projects that are still to be looked at. */
  get waiting(): number {
    return this.projects.size;
  }

  /** Until the signal. The tables must have reached the end of the log. */
  async run(signal: AbortSignal): Promise<void> {
    this.furthest = await this.parts.tables.position();
    signal.addEventListener('abort', () => this.wake(), { once: true });
    try {
      await Promise.all([this.follow(this.furthest, signal), this.sweep(signal), this.work(signal)]);
    } finally {
      this.silence.stop();
      for (const timer of this.timers) clearTimeout(timer);
    }
  }

  listening(): void {
    this.listeningSince = this.parts.clock.now();
    this.afterSilenceLimit(() => {
      for (const id of this.undecided) this.projects.add(id);
      this.undecided.clear();
    });
  }

  /** What is not heard now does not make a host silent. */
  deaf(): void {
    this.listeningSince = Number.POSITIVE_INFINITY;
  }

  hear(activity: ReceivedActivity, heard: Heard): void {
    const { hostId, projectId, newProcess } = this.parts.board.hear(activity, heard);
    if (projectId !== undefined) this.look([projectId]);
    if (newProcess) {
      // Now, to find the reports that are missing; later, because those of the process before count no longer.
      this.lookAtHost(hostId);
      this.afterSilenceLimit(() => this.lookAtHost(hostId));
    }
    this.silence.heard(hostId);
  }

  private look(ids: Iterable<string>): void {
    for (const id of ids) this.projects.add(id);
    this.wake();
  }

  private lookAtHost(hostId: string): void {
    this.hosts.add(hostId);
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
      this.look(changes.map(({ id }) => id));
      handled = changes.at(-1)?.position ?? handled;
      // Of what another copy writes there may be no word.
      if (changes.length < PAGE) await projector.reaches(reached + 1, { deadlineMs: LOOK_AGAIN_MS, signal });
    });
  }

  /** Every project: once at the beginning, then over and over at leisure, in case something was missed. */
  private async sweep(signal: AbortSignal): Promise<void> {
    let after = '';
    let first = true;
    await this.untilAborted(signal, async () => {
      if (this.projects.size < PAGE) {
        const ids = await this.parts.tables.page({ after, limit: PAGE });
        this.look(ids);
        after = ids.at(-1) ?? '';
        first &&= after !== '';
      }
      await pause(first ? COALESCE_MS : SWEEP_PAUSE_MS, undefined, { signal });
    });
  }

  private async work(signal: AbortSignal): Promise<void> {
    await this.untilAborted(signal, async () => {
      if (this.projects.size === 0 && this.hosts.size === 0) await this.woken(signal);
      await pause(COALESCE_MS, undefined, { signal });
      await this.spread();
      const batch = [...this.projects.values().take(BATCH)];
      for (const id of batch) this.projects.delete(id);
      try {
        await this.lookAt(batch);
      } catch (error) {
        this.look(batch);
        throw error;
      }
    });
  }

  /** From hosts to their projects. */
  private async spread(): Promise<void> {
    for (const hostId of this.hosts) {
      for (let after: string | undefined = ''; after !== undefined;) {
        const ids: string[] = await this.parts.tables.page({ hostId, after, limit: PAGE });
        this.look(ids);
        after = ids.length < PAGE ? undefined : ids.at(-1);
      }
      this.hosts.delete(hostId);
    }
  }

  private async lookAt(ids: string[]): Promise<void> {
    if (ids.length === 0) return;
    const { failure } = this.parts.projector;
    if (failure !== undefined) throw failure;
    const { position, projects } = await this.parts.tables.read(ids);
    if (position < this.furthest) throw new Error('The tables have not caught up with what they were.');
    this.furthest = position;
    for (const project of projects) this.judge(project);
  }

  private judge(project: ProjectFacts): void {
    const { clock, silenceLimitMs, statements } = this.parts;
    const now = clock.now();
    const evidence = this.evidenceOf(project, now);
    const result = freshnessOf({ ...project, ...evidence, silenceLimitMs }, now);
    // That a host cannot look at the data is its own word, and no silence.
    const isTold = evidence.report?.trouble !== undefined;
    if (result.freshness === 'unknown' && !isTold && now - this.listeningSince <= silenceLimitMs) {
      this.undecided.add(project.id);
      return;
    }
    this.undecided.delete(project.id);
    const statement = { projectId: project.id, generation: project.generation, freshness: result };
    statements.offer(statement, project.stated);
  }

  /** What the project's host has to say, and asking it where it should have said more. */
  private evidenceOf(
    project: ProjectFacts,
    now: number,
  ): Pick<Parameters<typeof freshnessOf>[0], 'report' | 'hostSeenAt'> {
    const { board, requests, silenceLimitMs } = this.parts;
    const { id, hostId, provisioned, backups } = project;
    if (hostId === null) return {};
    const hostSeenAt = board.seenAt(hostId);
    const heard = hostSeenAt !== undefined && now - hostSeenAt <= silenceLimitMs;
    const known = board.reportOf({ ...project, hostId });
    const wanted = provisioned && backups.length > 0 && known?.current !== true;
    if (wanted && heard && board.isHeardLive(hostId)) requests.need(hostId, id);
    else requests.settle(hostId, id);

    const vouched = known?.vouchedAt !== undefined && now - known.vouchedAt <= silenceLimitMs;
    return vouched ? { report: known.report, hostSeenAt: known.vouchedAt } : { hostSeenAt };
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
