import { equalCounters } from '@buckets/freshness';
import type { ScanOutcome } from './change-ledger.js';
import type { Flushed, Flushes } from './flushes.js';
import { Pace } from './pace.js';
import type { ProjectReports } from './project-reports.js';
import { longestOverdue } from './scan-schedule.js';
import { flushFile, type scanTree } from './scan-tree.js';
import { foldersOf, isBlind, type TrackedProject } from './tracked-project.js';

export interface ProjectScansOptions {
  /** The rate of the scans that nobody waits for. */
  entriesPerSecond: number;
  /** How long a backup waits for its scan before it begins without. */
  referenceLimitMs: number;
  /** Between two scans of the project. */
  lookEveryMs: (project: TrackedProject) => number;
  /** Whether the project is still looked after. */
  isTracked: (project: TrackedProject) => boolean;
  /** Something did not work, and the project is taken to have changed: for the log. */
  problem: (projectId: string, error: Error) => void;
  scan: typeof scanTree;
}

/** `now`: as fast as it goes, and so that a backup may rely on it. */
type ScanSpeed = 'now' | 'slowly';

interface RunningScan {
  speed: ScanSpeed;
  cancelled: boolean;
  outcome: Promise<ScanOutcome | undefined>;
}

/** A flush that began so lately is good enough for a scan that a backup waits for, and for the others. */
const RECENT_FLUSH_MS = { now: 1_000, slowly: 600_000 };
/** Stamps are up to two seconds coarse (FAT; ext3 has one), and a write is stamped when it begins. */
const STAMP_MARGIN_MS = 2_000;

/** Looks through projects, in the background and for backups, and has their file systems written back for that. */
export class ProjectScans {
  readonly #running = new Map<TrackedProject, RunningScan>();
  #slowScan?: Promise<void>;

  constructor(
    private readonly options: ProjectScansOptions,
    private readonly flushes: Flushes,
    private readonly reports: ProjectReports,
  ) {}

  /** Waits for the slow scan that is under way. */
  async ended(): Promise<void> {
    await this.#slowScan;
  }

  /** Begins what is due: one slow scan at a time on the whole host, the longest overdue first. */
  tick(projects: ReadonlyMap<string, TrackedProject>, now: number): void {
    for (const project of projects.values()) {
      if (project.settlesAt !== undefined && now >= project.settlesAt) this.#settle(project, project.settlesAt);
    }
    if (this.#slowScan) return;
    const next = longestOverdue(projects.values(), now);
    if (next) this.#slowScan = this.#scanSlowly(next).finally(() => (this.#slowScan = undefined));
  }

  /** Scans of a project never overlap: one that is going on is joined, unless it is a slow one and somebody waits. */
  async scan(project: TrackedProject, speed: ScanSpeed): Promise<ScanOutcome | undefined> {
    for (let other = this.#running.get(project); other; other = this.#running.get(project)) {
      if (other.speed === speed || speed === 'slowly') return await other.outcome;
      other.cancelled = true;
      await other.outcome;
    }
    const cancellation = { speed, cancelled: false };
    const outcome = this.#run(project, cancellation).finally(() => this.#running.delete(project));
    this.#running.set(project, Object.assign(cancellation, { outcome }));
    return await outcome;
  }

  /** The last flush of the project's file systems; a new one where that began more than `maxAgeMs` ago. */
  flushed(project: TrackedProject, maxAgeMs: number): Promise<Flushed | undefined> {
    return this.flushes.flushed(foldersOf(project), maxAgeMs, (error) =>
      this.options.problem(project.projectId, error),
    );
  }

  /** Of what is read after a flush: files whose ctime is before this moment change no more without getting another. */
  settledBefore(flushed: Flushed | undefined): number | undefined {
    if (!flushed || this.flushes.clock.wasSetBackSince(flushed.steadyAt)) return undefined;
    return Math.max(0, flushed.at - STAMP_MARGIN_MS);
  }

  /** Has files settled that were young when a backup began: those that follow without a change leave them unread. */
  #settle(project: TrackedProject, since: number): void {
    project.settlesAt = undefined;
    void this.flushed(project, performance.now() - since);
  }

  async #scanSlowly(project: TrackedProject): Promise<void> {
    if (!project.watch.watched) {
      project.watch.renew();
      await project.watch.settled();
    }
    // A blind project counts as changed over and over anyway: no scan is to say otherwise for a minute.
    const outcome = isBlind(project) ? undefined : await this.scan(project, 'slowly');
    if (outcome === 'missed') project.watch.renew();
    const everyMs = this.options.lookEveryMs(project);
    project.schedule.ended(outcome, { now: performance.now(), everyMs, chance: Math.random() });
  }

  async #run(project: TrackedProject, scan: Omit<RunningScan, 'outcome'>): Promise<ScanOutcome | undefined> {
    const { ledger, watch, roots } = project;
    const { entriesPerSecond, referenceLimitMs, problem, isTracked } = this.options;
    try {
      const steadyAt = performance.now();
      const limit = scan.speed === 'now' ? steadyAt + referenceLimitMs : Infinity;
      const flushed = await this.flushed(project, RECENT_FLUSH_MS[scan.speed]);
      const all = async (): Promise<number> => (await this.flushed(project, 0))?.at ?? 0;
      await watch.settled();
      const began = ledger.counter;
      const beganAt = Date.now();
      const lookedAt = performance.now();
      const tree = await this.options.scan({
        roots,
        pace: new Pace(scan.speed === 'now' ? Infinity : entriesPerSecond),
        flushedAt: flushed?.at,
        flush: scan.speed === 'now' && flushed ? { file: flushFile, all } : undefined,
        wanted: () =>
          isTracked(project) && !scan.cancelled && equalCounters(ledger.counter, began) && performance.now() < limit,
      });
      await watch.settled();
      if (!tree || !isTracked(project)) return 'moved';
      // What was compared with the clock says nothing then.
      if (this.flushes.clock.wasSetBackSince(steadyAt)) tree.settled = false;
      const { referenced } = ledger;
      const outcome = ledger.scanned(began, tree, beganAt);
      if (outcome !== 'moved') {
        if (scan.speed === 'now') project.settlesAt = performance.now() + STAMP_MARGIN_MS;
        project.scannedAt = Date.now();
        project.lookedAt = lookedAt;
        // That it was looked at is worth a report, though nothing was found.
        project.reports.owe();
      }
      if (outcome === 'missed' || (outcome === 'same' && !referenced)) this.reports.report(project);
      return outcome;
    } catch (error) {
      problem(project.projectId, error as Error);
      return undefined;
    }
  }
}
