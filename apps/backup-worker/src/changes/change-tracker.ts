import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ChangeCounter, ChangeReport, ReplacedData } from '@buckets/contracts';
import { equalCounters } from '@buckets/freshness';
import { ChangeLedger } from './change-ledger.js';
import { type Flushed, Flushes } from './flushes.js';
import { FolderWatches } from './folder-watches.js';
import { ProjectReports } from './project-reports.js';
import { ProjectScans } from './project-scans.js';
import type { WatchSource } from './project-watch.js';
import { RememberedTrees } from './remembered-trees.js';
import { ReportSchedule } from './report-schedule.js';
import { ScanSchedule } from './scan-schedule.js';
import { scanTree } from './scan-tree.js';
import { isBlind, mountsOf, type TrackedProject } from './tracked-project.js';

export interface ChangeTrackerOptions {
  /** A folder of its own among the worker's state. */
  stateFolder: string;
  /** Called with what is to be reported now; it must not throw. */
  report: (projectId: string, report: ChangeReport) => void;
  /** Something did not work, and the project is taken to have changed, or is only scanned: for the log. */
  problem: (projectId: string, error: Error) => void;
  /** A root of the project, or the folder above, may be there no longer. */
  rootsMoved?: (projectId: string) => void;
  /** Between two reports of a project whose changes are no news. Default 5 s. */
  reportEveryMs?: number;
  /** All projects are reported again. Default 1 h. */
  reportAllEveryMs?: number;
  /** Between two scans of a watched project, give or take a tenth. Default 15 min. */
  scanEveryMs?: number;
  /** The same where folders cannot be watched. Default as often, but every 5 min at least. */
  scanUnwatchedEveryMs?: number;
  /** A running project whose folders cannot be watched counts as changed so often. Default 60 s. */
  raiseUnwatchedEveryMs?: number;
  /** The rate of the scans that nobody waits for. Default 10,000. */
  entriesPerSecond?: number;
  /** How long a backup waits for its scan before it begins without. Default 5 min. */
  referenceLimitMs?: number;
  /** Over all projects. Default 30,000, which is some 60 MB. */
  maxWatchedFolders?: number;
  /** How often to see what is due. Default 1 s. */
  tickMs?: number;
  /** For tests that have a look fail. */
  scan?: typeof scanTree;
  flushes?: Flushes;
}

export interface BegunBackup {
  /** What the backup records: it covers the project as long as `covers(counter, report)`. */
  counter: ChangeCounter;
  /** False if the project kept changing: this backup will not be enough, the next may be. */
  quiet: boolean;
  /** The backup has read everything: did the project change meanwhile? To be called before the result is claimed. */
  release(): Promise<ReadTree>;
}

/** What became of a project while a backup read it. */
export interface ReadTree {
  /** It changed, which the next backup will hold. */
  moved: boolean;
  /**
   * Something was mounted over its folders or in them meanwhile, or they went away: the backup may hold what is not the
   * project's, and however the project is found later, it must not count.
   */
  displaced: boolean;
  /**
   * What the next backup may leave unread: files of this one whose ctime is before this moment (milliseconds since 1970)
   * change no more without getting another. Nothing where nobody knows such a moment.
   */
  settledBefore?: number;
}

/** The worker does not look after this project (any more). */
export class ProjectNotTracked extends Error {
  readonly code = 'project-not-tracked';
  constructor(projectId: string) {
    super(`The changes of project ${projectId} are not tracked on this host: open it first.`);
  }
}

/** Scans that a backup waits for while the project keeps changing. */
const REFERENCE_ATTEMPTS = 2;
/**
 * Knows, for each project of a host, whether its data may have changed, and reports it. The rules, and why they hold, are in
 * `change-ledger.ts`; here they meet the watcher, the disk and the clock. Projects are looked through by `project-scans.ts`.
 */
export class ChangeTracker {
  readonly #projects = new Map<string, TrackedProject>();
  readonly #options: Required<Omit<ChangeTrackerOptions, 'maxWatchedFolders' | 'flushes'>>;
  readonly #flushes: Flushes;
  readonly #watches: FolderWatches;
  readonly #trees: RememberedTrees;
  readonly #reports: ProjectReports;
  readonly #scans: ProjectScans;
  readonly #ticking: NodeJS.Timeout;

  constructor(options: ChangeTrackerOptions) {
    const { scanEveryMs } = { ...DEFAULTS, ...options };
    const scanUnwatchedEveryMs = Math.min(scanEveryMs, UNWATCHED_AT_LEAST_EVERY_MS);
    this.#options = { ...DEFAULTS, scanUnwatchedEveryMs, ...options };
    this.#flushes = options.flushes ?? new Flushes();
    this.#watches = new FolderWatches({ maxFolders: options.maxWatchedFolders });
    this.#trees = new RememberedTrees(options.stateFolder, options.problem);
    const lookEveryMs = ({ watch }: TrackedProject): number =>
      watch.watched ? this.#options.scanEveryMs : this.#options.scanUnwatchedEveryMs;
    const isTracked = (project: TrackedProject): boolean => this.#isOpen(project);
    this.#reports = new ProjectReports({ ...this.#options, lookEveryMs });
    this.#scans = new ProjectScans({ ...this.#options, lookEveryMs, isTracked }, this.#flushes, this.#reports);
    this.#ticking = setInterval(() => this.#tick(), this.#options.tickMs).unref();
  }

  /**
   * Looks after a project from now on, in a new epoch, as nobody knows what happened before. Comes back when its folders are
   * watched, or cannot be. Opening it again changes only `running` and the generation.
   */
  async open(projectId: string, roots: readonly string[], generation: number, { running = false } = {}): Promise<void> {
    if (!this.#projects.has(projectId)) {
      const remembered = await this.#trees.load(projectId, generation);
      if (!this.#projects.has(projectId)) {
        const ledger = new ChangeLedger({ generation, epoch: randomUUID(), at: Date.now(), remembered });
        this.#begin(projectId, roots, ledger);
      }
    }
    const project = this.#project(projectId);
    this.moveToGeneration(projectId, generation);
    await project.watch.settled();
    if (project.watch.problem) this.#options.problem(projectId, project.watch.problem);
    this.setRunning(projectId, running);
    this.#reports.report(project);
  }

  isTracked(projectId: string): boolean {
    return this.#projects.has(projectId);
  }

  /** Looks after it no longer. What is remembered stays on disk, in case it comes back. */
  close(projectId: string): void {
    const project = this.#projects.get(projectId);
    this.#projects.delete(projectId);
    project?.watch.close();
  }

  setRunning(projectId: string, running: boolean): void {
    const project = this.#project(projectId);
    if (project.running === running) return;
    project.running = running;
    project.reports.owe();
    if (project.watch.watched) return;
    this.#raise(project, 'running-unwatched');
    project.schedule.atOnce(performance.now());
  }

  /** The project is another assignment now: a new epoch. */
  moveToGeneration(projectId: string, generation: number): void {
    const project = this.#project(projectId);
    if (project.ledger.counter.generation !== generation) this.#beginEpoch(project, generation);
  }

  /** A restore has replaced the data: a new epoch. */
  restored(projectId: string): void {
    this.#beginEpoch(this.#project(projectId));
  }

  /**
   * The worker itself puts other data in place: from the last word on the old ones until it is done nothing is reported, as
   * what a watcher tells then is the swap. When it is done, an epoch begins.
   *
   * @param swap gets what tells what is known right before the first rename; nothing of a project that is not tracked
   */
  async whileSwapping<T>(
    projectId: string,
    swap: (lastWord: () => Promise<ReplacedData | undefined>) => Promise<T>,
  ): Promise<T> {
    let told: TrackedProject | undefined;
    try {
      const result = await swap(async () => {
        const project = this.#projects.get(projectId);
        if (project === undefined) return undefined;
        await project.watch.settled();
        told = project;
        project.swapping = true;
        const { counter, sameAs, firstChanges, at } = this.#reports.of(project);
        return { counter, sameAs, firstChanges, at };
      });
      // What the renames have raised is of the epoch before.
      await told?.watch.settled();
      if (told !== undefined) told.swapping = false;
      const project = this.#projects.get(projectId);
      if (project !== undefined) this.#beginEpoch(project);
      return result;
    } finally {
      if (told?.swapping === true) {
        told.swapping = false;
        if (this.#isOpen(told)) this.#reports.report(told);
      }
    }
  }

  /** Something was mounted in the project, or is mounted there no longer: other files stand there, and no watcher tells. */
  remounted(projectId: string): void {
    const project = this.#project(projectId);
    project.remounts += 1;
    this.#raise(project, 'mount');
    project.watch.renew();
    project.schedule.atOnce(performance.now());
  }

  /** Somebody who should know says that the data changed, or are about to: `fs-api`, `agent-edit`, … */
  raise(projectId: string, source: string): void {
    this.#raise(this.#project(projectId), source);
  }

  /** To be awaited before a backup begins to read. Scans the project if nothing is known of it at this counter. */
  async beginBackup(projectId: string): Promise<BegunBackup> {
    const project = this.#project(projectId);
    const { ledger, watch, remounts } = project;
    // Before the scan: it has to have seen what the backup reads.
    const mounts = await mountsOf(project);
    await watch.settled();
    let flushed: Flushed | undefined;
    for (let left = REFERENCE_ATTEMPTS; left > 0; left--) {
      if (!ledger.referenced) await this.#scans.scan(project, 'now');
      flushed = await this.#scans.flushed(project, Infinity);
      if (ledger.referenced) break;
    }
    if (!this.#isOpen(project)) throw new ProjectNotTracked(projectId);
    const { counter, quiet } = ledger.beginBackup(Date.now());
    if (quiet) this.#trees.save(projectId, counter.generation, ledger.remembered);
    // Whoever hears of the backup can tell at once that it is enough.
    this.#reports.report(project);
    return {
      counter,
      quiet,
      release: async () => {
        await watch.settled();
        const displaced =
          !this.#isOpen(project) || project.remounts !== remounts || (await mountsOf(project)) !== mounts;
        const moved = displaced || !equalCounters(ledger.counter, counter);
        return { moved, displaced, settledBefore: this.#scans.settledBefore(flushed) };
      },
    };
  }

  /** What is known of a project now. */
  reportOf(projectId: string): ChangeReport {
    return this.#reports.of(this.#project(projectId));
  }

  /** Reports every project again: on connecting, and on request. */
  reportAll(): void {
    this.#reports.reportAll(this.#projects.values());
  }

  /** Ends everything; waits at most `limitMs` for what is being written. */
  async stopAll(limitMs = 5_000): Promise<void> {
    clearInterval(this.#ticking);
    for (const projectId of [...this.#projects.keys()]) this.close(projectId);
    const limit = new AbortController();
    const ended = Promise.all([this.#watches.close(), this.#scans.ended(), this.#trees.flush()]);
    await Promise.race([ended, delay(limitMs, undefined, { signal: limit.signal }).catch(() => {})]);
    limit.abort();
  }

  #begin(projectId: string, roots: readonly string[], ledger: ChangeLedger): void {
    const now = performance.now();
    const project: TrackedProject = {
      projectId,
      roots,
      ledger,
      watch: this.#watches.watch(roots, (source) => this.#onWatch(project, source)),
      schedule: new ScanSchedule(now),
      reports: new ReportSchedule(now),
      running: false,
      remounts: 0,
      swapping: false,
      raisedUnwatchedAt: now,
    };
    this.#projects.set(projectId, project);
  }

  #beginEpoch(project: TrackedProject, generation?: number): void {
    project.ledger.beginEpoch(randomUUID(), Date.now(), generation);
    this.#trees.save(project.projectId, project.ledger.counter.generation, undefined);
    project.watch.renew();
    project.schedule.atOnce(performance.now());
    project.lookedAt = undefined;
    this.#reports.report(project);
  }

  #onWatch(project: TrackedProject, source: WatchSource): void {
    const isOfRoots = source === 'watcher-root';
    this.#raise(project, isOfRoots ? 'watcher' : source);
    if ((isOfRoots || source === 'watcher-ended') && !project.swapping) this.#options.rootsMoved(project.projectId);
    if (isOfRoots || source === 'watcher' || source === 'watcher-renewed') return;
    project.schedule.soon(performance.now());
    if (project.watch.problem) this.#options.problem(project.projectId, project.watch.problem);
  }

  #raise(project: TrackedProject, source: string): void {
    if (project.ledger.raise(Date.now(), source)) this.#reports.report(project);
    else project.reports.owe();
  }

  #tick(): void {
    const now = performance.now();
    this.#flushes.clock.look();
    for (const project of this.#projects.values()) {
      if (isBlind(project) && now - project.raisedUnwatchedAt >= this.#options.raiseUnwatchedEveryMs) {
        project.raisedUnwatchedAt = now;
        this.#raise(project, 'running-unwatched');
      }
    }
    this.#reports.tick(this.#projects, now);
    this.#scans.tick(this.#projects, now);
  }

  #isOpen(project: TrackedProject): boolean {
    return this.#projects.get(project.projectId) === project;
  }

  #project(projectId: string): TrackedProject {
    const project = this.#projects.get(projectId);
    if (!project) throw new ProjectNotTracked(projectId);
    return project;
  }
}

const DEFAULTS = {
  reportEveryMs: 5_000,
  reportAllEveryMs: 3_600_000,
  scanEveryMs: 900_000,
  raiseUnwatchedEveryMs: 60_000,
  entriesPerSecond: 10_000,
  referenceLimitMs: 300_000,
  tickMs: 1_000,
  scan: scanTree,
  rootsMoved: () => undefined,
};
const UNWATCHED_AT_LEAST_EVERY_MS = 300_000;
