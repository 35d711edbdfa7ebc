import { randomUUID } from 'node:crypto';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { mountsAt } from '../file-system/mount-points.js';
import { ChangeLedger, type ScanOutcome } from './change-ledger.js';
import type { ChangeCounter, ChangeReport } from '@buckets/contracts';
import { equalCounters } from '@buckets/freshness';
import { type Flushed, Flushes } from './flushes.js';
import { FolderWatches } from './folder-watches.js';
import { Pace } from './pace.js';
import type { ProjectWatch, WatchSource } from './project-watch.js';
import { RememberedTrees } from './remembered-trees.js';
import { flushFile, scanTree } from './scan-tree.js';

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
/** The next scan after trouble with the watcher, or (doubled each time) after one that was disturbed. */
const SCAN_SOON_MS = 5_000;
/** A flush that began so lately is good enough for a scan that a backup waits for, and for the others. */
const RECENT_FLUSH_MS = { now: 1_000, slowly: 600_000 };
/** Stamps are up to two seconds coarse (FAT; ext3 has one), and a write is stamped when it begins. */
const STAMP_MARGIN_MS = 2_000;

/**
 * Knows, for each project of a host, whether its data may have changed, and reports it. The rules, and why they hold, are in
 * `change-ledger.ts`; here they meet the watcher, the scans, the disk and the clock.
 */
export class ChangeTracker {
  readonly #projects = new Map<string, Project>();
  readonly #options: Required<Omit<ChangeTrackerOptions, 'maxWatchedFolders' | 'flushes'>>;
  readonly #flushes: Flushes;
  readonly #watches: FolderWatches;
  readonly #trees: RememberedTrees;
  readonly #ticking: NodeJS.Timeout;
  #slowScan?: Promise<void>;
  #allReportedAt = performance.now();

  constructor(options: ChangeTrackerOptions) {
    const { scanEveryMs } = { ...DEFAULTS, ...options };
    const scanUnwatchedEveryMs = Math.min(scanEveryMs, UNWATCHED_AT_LEAST_EVERY_MS);
    this.#options = { ...DEFAULTS, scanUnwatchedEveryMs, ...options };
    this.#flushes = options.flushes ?? new Flushes();
    this.#watches = new FolderWatches({ maxFolders: options.maxWatchedFolders });
    this.#trees = new RememberedTrees(options.stateFolder, options.problem);
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
    this.#report(project);
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
    project.reportDue = true;
    if (project.watch.watched) return;
    this.#raise(project, 'running-unwatched');
    project.nextScanAt = performance.now();
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

  /** Something was mounted in the project, or is mounted there no longer: other files stand there, and no watcher tells. */
  remounted(projectId: string): void {
    const project = this.#project(projectId);
    project.remounts += 1;
    this.#raise(project, 'mount');
    project.watch.renew();
    project.nextScanAt = performance.now();
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
      if (!ledger.referenced) await this.#scan(project, 'now');
      flushed = await this.#flushed(project, Infinity);
      if (ledger.referenced) break;
    }
    if (this.#projects.get(projectId) !== project) throw new ProjectNotTracked(projectId);
    const { counter, quiet } = ledger.beginBackup(Date.now());
    if (quiet) this.#trees.save(projectId, counter.generation, ledger.remembered);
    // Whoever hears of the backup can tell at once that it is enough.
    this.#report(project);
    return {
      counter,
      quiet,
      release: async () => {
        await watch.settled();
        const isOpen = this.#projects.get(projectId) === project;
        const displaced = !isOpen || project.remounts !== remounts || (await mountsOf(project)) !== mounts;
        const moved = displaced || !equalCounters(ledger.counter, counter);
        return { moved, displaced, settledBefore: this.#settledBefore(flushed) };
      },
    };
  }

  /** What is known of a project now. */
  reportOf(projectId: string): ChangeReport {
    return this.#reportOf(this.#project(projectId));
  }

  /** Reports every project again: on connecting, and on request. */
  reportAll(): void {
    this.#allReportedAt = performance.now();
    for (const project of this.#projects.values()) this.#report(project);
  }

  /** Ends everything; waits at most `limitMs` for what is being written. */
  async stopAll(limitMs = 5_000): Promise<void> {
    clearInterval(this.#ticking);
    for (const projectId of [...this.#projects.keys()]) this.close(projectId);
    const limit = new AbortController();
    const ended = Promise.all([this.#watches.close(), this.#slowScan, this.#trees.flush()]);
    await Promise.race([ended, delay(limitMs, undefined, { signal: limit.signal }).catch(() => {})]);
    limit.abort();
  }

  #flushed(project: Project, maxAgeMs: number): Promise<Flushed | undefined> {
    return this.#flushes.flushed(foldersOf(project), maxAgeMs, (error) =>
      this.#options.problem(project.projectId, error),
    );
  }

  /** Has files settled that were young when a backup began: those that follow without a change leave them unread. */
  #settle(project: Project, since: number): void {
    project.settlesAt = undefined;
    void this.#flushed(project, performance.now() - since);
  }

  /** Of what is read after a flush. */
  #settledBefore(flushed: Flushed | undefined): number | undefined {
    if (!flushed || this.#flushes.clock.wasSetBackSince(flushed.steadyAt)) return undefined;
    return Math.max(0, flushed.at - STAMP_MARGIN_MS);
  }

  #begin(projectId: string, roots: readonly string[], ledger: ChangeLedger): void {
    const now = performance.now();
    const project: Project = {
      projectId,
      roots,
      ledger,
      watch: this.#watches.watch(roots, (source) => this.#onWatch(project, source)),
      running: false,
      remounts: 0,
      raisedUnwatchedAt: now,
      lookedAt: undefined,
      nextScanAt: now,
      disturbed: 0,
      reportedAt: now,
      reportDue: true,
    };
    this.#projects.set(projectId, project);
  }

  #beginEpoch(project: Project, generation?: number): void {
    project.ledger.beginEpoch(randomUUID(), Date.now(), generation);
    this.#trees.save(project.projectId, project.ledger.counter.generation, undefined);
    project.watch.renew();
    project.nextScanAt = performance.now();
    project.lookedAt = undefined;
    this.#report(project);
  }

  #onWatch(project: Project, source: WatchSource): void {
    const isOfRoots = source === 'watcher-root';
    this.#raise(project, isOfRoots ? 'watcher' : source);
    if (isOfRoots || source === 'watcher-ended') this.#options.rootsMoved(project.projectId);
    if (isOfRoots || source === 'watcher' || source === 'watcher-renewed') return;
    project.nextScanAt = Math.min(project.nextScanAt, performance.now() + SCAN_SOON_MS);
    if (project.watch.problem) this.#options.problem(project.projectId, project.watch.problem);
  }

  #raise(project: Project, source: string): void {
    if (project.ledger.raise(Date.now(), source)) this.#report(project);
    else project.reportDue = true;
  }

  #report(project: Project): void {
    project.reportedAt = performance.now();
    project.reportDue = false;
    this.#options.report(project.projectId, this.#reportOf(project));
  }

  #reportOf(project: Project): ChangeReport {
    const { ledger, watch, running, scannedAt, lookedAt } = project;
    return {
      ...ledger.report({ at: Date.now(), watched: watch.watched, running, scannedAt }),
      ...(lookedAt === undefined ? {} : { lookedMs: Math.ceil(performance.now() - lookedAt) }),
      lookEveryMs: this.#lookEveryMs(project),
    };
  }

  #lookEveryMs({ watch }: Project): number {
    return watch.watched ? this.#options.scanEveryMs : this.#options.scanUnwatchedEveryMs;
  }

  #tick(): void {
    const now = performance.now();
    const { reportEveryMs, reportAllEveryMs, raiseUnwatchedEveryMs } = this.#options;
    this.#flushes.clock.look();
    for (const project of this.#projects.values()) {
      if (isBlind(project) && now - project.raisedUnwatchedAt >= raiseUnwatchedEveryMs) {
        project.raisedUnwatchedAt = now;
        this.#raise(project, 'running-unwatched');
      }
      if (project.settlesAt !== undefined && now >= project.settlesAt) this.#settle(project, project.settlesAt);
      if (project.reportDue && now - project.reportedAt >= reportEveryMs) this.#report(project);
    }
    if (now - this.#allReportedAt >= reportAllEveryMs) this.reportAll();
    this.#slowScan ??= this.#scanNext(now)?.finally(() => (this.#slowScan = undefined));
  }

  /** One slow scan at a time on the whole host, the longest overdue first. */
  #scanNext(now: number): Promise<void> | undefined {
    const due = [...this.#projects.values()].filter((project) => project.nextScanAt <= now);
    const next = due.sort((one, other) => one.nextScanAt - other.nextScanAt)[0];
    return next && this.#scanSlowly(next);
  }

  async #scanSlowly(project: Project): Promise<void> {
    if (!project.watch.watched) {
      project.watch.renew();
      await project.watch.settled();
    }
    // A blind project counts as changed over and over anyway: no scan is to say otherwise for a minute.
    const outcome = isBlind(project) ? undefined : await this.#scan(project, 'slowly');
    if (outcome === 'missed') project.watch.renew();
    project.disturbed = outcome === 'moved' ? project.disturbed + 1 : 0;
    const period = this.#lookEveryMs(project) * (0.9 + 0.2 * Math.random());
    const soon = outcome === 'moved' ? SCAN_SOON_MS * 2 ** project.disturbed : Infinity;
    project.nextScanAt = performance.now() + Math.min(period, soon);
  }

  /** Scans of a project never overlap: one that is going on is joined, unless it is a slow one and somebody waits. */
  async #scan(project: Project, speed: ScanSpeed): Promise<ScanOutcome | undefined> {
    for (let other = project.scan; other; other = project.scan) {
      if (other.speed === speed || speed === 'slowly') return await other.outcome;
      other.cancelled = true;
      await other.outcome;
    }
    const cancellation = { speed, cancelled: false };
    const outcome = this.#runScan(project, cancellation).finally(() => (project.scan = undefined));
    project.scan = Object.assign(cancellation, { outcome });
    return await outcome;
  }

  async #runScan(project: Project, scan: { speed: ScanSpeed; cancelled: boolean }): Promise<ScanOutcome | undefined> {
    const { ledger, watch, roots } = project;
    const { entriesPerSecond, referenceLimitMs, problem, scan: lookAtTree } = this.#options;
    const isOpen = (): boolean => this.#projects.get(project.projectId) === project;
    try {
      const steadyAt = performance.now();
      const limit = scan.speed === 'now' ? steadyAt + referenceLimitMs : Infinity;
      const flushed = await this.#flushed(project, RECENT_FLUSH_MS[scan.speed]);
      const all = async (): Promise<number> => (await this.#flushed(project, 0))?.at ?? 0;
      await watch.settled();
      const began = ledger.counter;
      const beganAt = Date.now();
      const lookedAt = performance.now();
      const tree = await lookAtTree({
        roots,
        pace: new Pace(scan.speed === 'now' ? Infinity : entriesPerSecond),
        flushedAt: flushed?.at,
        flush: scan.speed === 'now' && flushed ? { file: flushFile, all } : undefined,
        wanted: () => isOpen() && !scan.cancelled && equalCounters(ledger.counter, began) && performance.now() < limit,
      });
      await watch.settled();
      if (!tree || !isOpen()) return 'moved';
      // What was compared with the clock says nothing then.
      if (this.#flushes.clock.wasSetBackSince(steadyAt)) tree.settled = false;
      const { referenced } = ledger;
      const outcome = ledger.scanned(began, tree, beganAt);
      if (outcome !== 'moved') {
        if (scan.speed === 'now') project.settlesAt = performance.now() + STAMP_MARGIN_MS;
        project.scannedAt = Date.now();
        project.lookedAt = lookedAt;
        // That it was looked at is worth a report, though nothing was found.
        project.reportDue = true;
      }
      if (outcome === 'missed' || (outcome === 'same' && !referenced)) this.#report(project);
      return outcome;
    } catch (error) {
      problem(project.projectId, error as Error);
      return undefined;
    }
  }

  #project(projectId: string): Project {
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

/** `now`: as fast as it goes, and so that a backup may rely on it. */
type ScanSpeed = 'now' | 'slowly';

/** Moments are those of `performance.now()`, but for `scannedAt`, which is for people. */
interface Project {
  projectId: string;
  roots: readonly string[];
  ledger: ChangeLedger;
  watch: ProjectWatch;
  running: boolean;
  /** How often something was mounted in it, or taken away. */
  remounts: number;
  raisedUnwatchedAt: number;
  scan?: { speed: ScanSpeed; cancelled: boolean; outcome: Promise<ScanOutcome | undefined> };
  scannedAt?: number;
  /** When the last look at all of it began. */
  lookedAt: number | undefined;
  nextScanAt: number;
  /** Slow scans in a row that said nothing because the project changed meanwhile. */
  disturbed: number;
  /** When a flush would settle what a backup was about to read; undefined once there was one. */
  settlesAt?: number | undefined;
  reportedAt: number;
  reportDue: boolean;
}

/** Somebody may be writing, and nobody sees it. */
function isBlind({ running, watch }: Project): boolean {
  return running && !watch.watched;
}

/** What is mounted in the folders of the project, as a text that is another when that is. */
async function mountsOf(project: Project): Promise<string> {
  return (await Promise.all(foldersOf(project).map(mountsAt))).join('\n');
}

/** The folders above the roots. */
function foldersOf({ roots }: Project): string[] {
  return [...new Set(roots.map((root) => dirname(root)))];
}
