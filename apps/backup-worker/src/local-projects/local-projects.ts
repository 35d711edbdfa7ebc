import { countText } from '@buckets/contracts';
import { randomUUID } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Assignment, ChangeReport, ProjectTrouble, ReplacedData } from '@buckets/contracts';
import { Backoff, quietPause } from '@buckets/patience';
import type { Logger } from '@buckets/service';
import type { NatsConnection } from '@nats-io/transport-node';
import { ProjectNotTracked, type ChangeTracker } from '../changes/index.js';
import type { ControlPlane } from '../control-plane/control-plane.js';
import { DataRootMissingError, ROOT_NAMES, type HostFolders, type ProvisionedRecords } from '../host-data/index.js';
import { errorCode, exists } from '../file-system/paths.js';
import { mountPointsWithin } from '../file-system/mount-points.js';
import { ProjectMounts } from './mounts.js';
import { troubleOf, type ProjectSight } from './project-trouble.js';

const ASK_DEADLINE_MS = 30_000;
const OPENED_AT_ONCE = 8;
const BETWEEN_TRIES = new Backoff({ firstMs: 500, maxMs: 30_000 });
/** How often the mount table is read, projects that are not looked after are looked at, and all of them are. */
const MOUNTS_EVERY_MS = 1_000;
const LOST_EVERY_MS = 5_000;
const ALL_EVERY_MS = 60_000;
/** Projects that a sentence names. */
const SHOWN = 10;

/** A project that is this host's, by the control plane's word. */
interface LocalProject {
  generation: number;
  running: boolean;
  /** Whether its data were ever brought here in this assignment. */
  provisioned: boolean;
  /** Why its data cannot be used, and what names that state in reports. */
  trouble?: { what: ProjectTrouble; epoch: string; since: number };
}

/** The projects that are this host's, whose changes it watches, as far as their data are there. */
export class LocalProjects {
  private readonly projects = new Map<string, LocalProject>();
  /** The looks at a project, one after the other: what counts is what the last one has found. */
  private readonly looks = new Map<string, Promise<void>>();
  private readonly again = new Map<string, Promise<void>>();
  private resolveLearned: () => void = () => undefined;
  private knows = false;
  /** Fulfilled when it was learned for the first time. */
  readonly learned = new Promise<void>((resolve) => (this.resolveLearned = resolve));

  constructor(
    private readonly controlPlane: Pick<ControlPlane, 'ask'>,
    private readonly folders: HostFolders,
    private readonly records: ProvisionedRecords,
    private readonly changes: ChangeTracker,
    private readonly log: Pick<Logger, 'info' | 'warn'>,
    /** Takes what is to be reported of a project whose changes nobody can see. */
    private readonly report: (projectId: string, report: ChangeReport) => void = () => undefined,
    /** Hears that all is about to be reported anew. */
    private readonly reportsAnew: () => void = () => undefined,
  ) {}

  get count(): number {
    return this.projects.size;
  }

  get inTrouble(): string[] {
    return [...this.projects].flatMap(([projectId, { trouble }]) => (trouble === undefined ? [] : projectId));
  }

  /** For the host's health; null when all can be used. */
  inTroubleInWords(): string | null {
    const ids = this.inTrouble;
    if (ids.length === 0) return null;
    const first = ids.slice(0, SHOWN).map((projectId) => `${projectId} (${this.troubleOf(projectId)})`);
    return `The data of ${countText(ids.length, 'project')} cannot be used: ${first.join(', ')}${ids.length > SHOWN ? ', …' : ''}.`;
  }

  /** Whether the project is this host's in this generation, as far as is known here. */
  isHere(projectId: string, generation: number): boolean {
    return this.projects.get(projectId)?.generation === generation;
  }

  /** Why the data of a project cannot be used, if it is known to be so. */
  troubleOf(projectId: string): ProjectTrouble | undefined {
    return this.projects.get(projectId)?.trouble?.what;
  }

  /** Learns at once, until it has succeeded, and again whenever the connection comes back. */
  keepLearning(connection: Pick<NatsConnection, 'status'>, signal: AbortSignal): void {
    void this.learnOrRetry(signal);
    void (async () => {
      for await (const { type } of connection.status()) {
        if (type !== 'reconnect') continue;
        await this.learnOrRetry(signal);
        this.reportAll();
      }
    })();
  }

  checkLearned(): Promise<void> {
    return this.knows ? Promise.resolve() : Promise.reject(new Error('The host does not know its projects yet'));
  }

  private async learnOrRetry(signal: AbortSignal): Promise<void> {
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await this.learn(signal);
        this.knows = true;
        this.resolveLearned();
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.log.warn({ error: String(error) }, 'Which projects are on this host is not known yet; asking again');
        await BETWEEN_TRIES.pause(attempt, signal);
      }
    }
  }

  /** What the control plane says is this host's. */
  async assignments(signal: AbortSignal, deadlineMs = ASK_DEADLINE_MS): Promise<Assignment[]> {
    const all: Assignment[] = [];
    let after: string | undefined;
    do {
      const ask = after === undefined ? {} : { after };
      const page = await this.controlPlane.ask('assignments', ask, { deadlineMs, signal });
      all.push(...page.items);
      after = page.next;
    } while (after !== undefined);
    return all;
  }

  /** Learns from the control plane which projects are here, watches these, and lets go of all others. */
  async learn(signal: AbortSignal): Promise<void> {
    const here = await this.assignments(signal);
    const ids = new Set(here.map(({ projectId }) => projectId));
    for (const projectId of this.projects.keys()) if (!ids.has(projectId)) this.forget(projectId);
    for (const { projectId, generation, running, provisioned } of here) {
      this.expect(projectId, { generation, running, provisioned });
    }
    await this.lookAt([...ids], signal);
  }

  /**
   * Goes on looking until the signal: at what was mounted, at projects whose data were not to be used, and now and then at
   * all. What has come back is looked after again, what is not there any more is told.
   */
  async keepLooking(signal: AbortSignal): Promise<void> {
    const mounts = new ProjectMounts(this.folders.dataRoot);
    let [lostAt, allAt] = [performance.now(), performance.now()];
    while (!signal.aborted) {
      await quietPause(MOUNTS_EVERY_MS, signal, { ref: false });
      if (signal.aborted) return;
      const now = performance.now();
      try {
        await this.lookAtMounts(mounts, signal);
        if (now - allAt >= ALL_EVERY_MS) {
          allAt = lostAt = now;
          await this.lookAtAll(signal);
          this.reportTrouble();
        } else if (now - lostAt >= LOST_EVERY_MS) {
          lostAt = now;
          await this.lookAtLost(signal);
        }
      } catch (error) {
        if (!signal.aborted) this.log.warn({ error }, 'The projects of this host could not be looked at');
      }
    }
  }

  /** What was mounted into a project, or taken away, since the call before. */
  async lookAtMounts(mounts: ProjectMounts, signal: AbortSignal): Promise<void> {
    const changed = (await mounts.changed()).filter((projectId) => this.projects.has(projectId));
    for (const projectId of changed) if (this.changes.isTracked(projectId)) this.changes.remounted(projectId);
    await this.lookAt(changed, signal);
  }

  lookAtAll(signal: AbortSignal): Promise<void> {
    return this.lookAt([...this.projects.keys()], signal);
  }

  /** At those that are not looked after although their data were once here. */
  lookAtLost(signal: AbortSignal): Promise<void> {
    const isLost = ([projectId, { provisioned, trouble }]: [string, LocalProject]): boolean =>
      !this.changes.isTracked(projectId) && (provisioned || trouble !== undefined);
    const lost = [...this.projects].filter(isLost).map(([projectId]) => projectId);
    return this.lookAt(lost, signal);
  }

  /** Something was moved there, or taken away. At most one such look waits for the one that goes on. */
  lookAgain(projectId: string): Promise<void> {
    const waiting = this.again.get(projectId);
    if (waiting !== undefined) return waiting;
    const before = this.looks.get(projectId) ?? Promise.resolve();
    const look = before.then(() => {
      this.again.delete(projectId);
      return this.look(projectId);
    });
    this.again.set(projectId, look);
    return look;
  }

  /** Looks after a project's changes from now on, if its data are here. */
  async watch(projectId: string, generation: number, { running }: { running: boolean }): Promise<void> {
    this.expect(projectId, { generation, running, provisioned: true });
    await this.look(projectId);
  }

  /**
   * Has this worker put other data in the place of a project's. Nobody looks meanwhile: what stands there in the middle of a
   * swap is no trouble, and its own renames are no changes. How it stands afterwards is looked at at once.
   *
   * @param swap gets what tells, right before the first rename, what was known of the data until then
   */
  async whileSwapping<T>(
    projectId: string,
    swap: (lastWord: () => Promise<ReplacedData | undefined>) => Promise<T>,
  ): Promise<T> {
    const { promise: isOver, resolve: over } = Promise.withResolvers<void>();
    const before = this.looks.get(projectId) ?? Promise.resolve();
    this.looks.set(
      projectId,
      before.then(() => isOver),
    );
    try {
      await before;
      return await this.changes.whileSwapping(projectId, swap);
    } finally {
      over();
      void this.lookAgain(projectId);
    }
  }

  /** The project's data are others now: nothing that was known of them holds. */
  async replaced(projectId: string, generation: number, state: { running: boolean }): Promise<void> {
    try {
      this.changes.restored(projectId);
    } catch (error) {
      if (!(error instanceof ProjectNotTracked)) throw error;
    }
    await this.watch(projectId, generation, state);
  }

  setRunning(projectId: string, running: boolean): void {
    const project = this.projects.get(projectId);
    if (project !== undefined) project.running = running;
    try {
      this.changes.setRunning(projectId, running);
    } catch (error) {
      if (!(error instanceof ProjectNotTracked)) throw error;
      this.log.warn({ projectId }, 'A project whose data are not here has changed its state');
    }
  }

  /** All that is known, once more. */
  reportAll(): void {
    this.reportsAnew();
    this.changes.reportAll();
    this.reportTrouble();
  }

  private expect(projectId: string, expected: Omit<LocalProject, 'trouble'>): void {
    const known = this.projects.get(projectId);
    // What was found of another assignment says nothing of this one.
    const same = known?.generation === expected.generation ? known : undefined;
    // The control plane may not have heard yet of what was brought here a moment ago.
    const provisioned = expected.provisioned || same?.provisioned === true;
    this.projects.set(projectId, { ...expected, provisioned, ...(same?.trouble && { trouble: same.trouble }) });
  }

  private forget(projectId: string): void {
    this.projects.delete(projectId);
    this.changes.close(projectId);
  }

  private async lookAt(projectIds: string[], signal: AbortSignal): Promise<void> {
    const waiting = [...projectIds];
    const lookAtNext = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        signal.throwIfAborted();
        await this.look(next);
      }
    };
    await Promise.all(Array.from({ length: OPENED_AT_ONCE }, lookAtNext));
  }

  /** One project that cannot be looked at is in trouble by itself: it keeps no other from being looked after. */
  private look(projectId: string): Promise<void> {
    const before = this.looks.get(projectId) ?? Promise.resolve();
    const look = before
      .then(() => this.lookOnce(projectId))
      .catch((error: unknown) =>
        this.log.warn({ projectId, error }, 'A project could not be looked at; it is tried again'),
      )
      .finally(() => {
        if (this.looks.get(projectId) === look) this.looks.delete(projectId);
      });
    this.looks.set(projectId, look);
    return look;
  }

  private async lookOnce(projectId: string): Promise<void> {
    const project = this.projects.get(projectId);
    if (project === undefined) return;
    const { generation } = project;
    const sight = await this.sightOf(projectId, generation);
    // In the middle of a swap its roots are now here, now there; whoever does it looks when it is done.
    if (sight === undefined || this.projects.get(projectId)?.generation !== generation) return;
    const usable = 'inspection' in sight && sight.inspection.state === 'provisioned';
    // Before anything else is reported of it: what was known so far says nothing of what stands there now.
    if (!usable) this.changes.close(projectId);
    this.note(projectId, troubleOf(sight, project.provisioned));
    if (!usable) return;
    const { running } = this.projects.get(projectId)!;
    await this.changes.open(projectId, this.rootsOf(projectId), generation, { running });
  }

  private async sightOf(projectId: string, generation: number): Promise<ProjectSight | undefined> {
    try {
      const inspection = await this.records.inspect(projectId, generation);
      if (inspection.state === 'provisioned') return { inspection, mountedOver: false };
      if (await exists(this.folders.switchRecord(projectId))) return undefined;
      return { inspection, mountedOver: await this.isMountedOver(projectId) };
    } catch (error) {
      if (error instanceof DataRootMissingError) return { dataRoot: error.state };
      const known = this.projects.get(projectId)?.trouble?.what === 'unreadable';
      if (!known) this.log.warn({ projectId, error }, 'What this host has of a project cannot be read');
      return { unreadable: true };
    }
  }

  /** Whether something is mounted over the project's own folder or one of its roots, and not just deeper. */
  private async isMountedOver(projectId: string): Promise<boolean> {
    const folder = this.folders.project(projectId);
    try {
      const [points, real] = await Promise.all([mountPointsWithin(folder), realpath(folder)]);
      const places = [real, ...ROOT_NAMES.map((root) => join(real, root))];
      return points.some((point) => places.includes(point));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return false;
      throw error;
    }
  }

  private note(projectId: string, what: ProjectTrouble | undefined): void {
    const project = this.projects.get(projectId)!;
    if (project.trouble?.what === what) return;
    const before = project.trouble?.what;
    if (what === undefined) delete project.trouble;
    else project.trouble = { what, epoch: randomUUID(), since: Date.now() };
    if (what === undefined) this.log.info({ projectId, before }, 'The data of a project can be used again');
    else this.log.warn({ projectId, trouble: what }, 'The data of a project cannot be used');
    this.reportTroubleOf(projectId);
  }

  private reportTrouble(): void {
    for (const projectId of this.projects.keys()) this.reportTroubleOf(projectId);
  }

  private reportTroubleOf(projectId: string): void {
    const { generation, running, trouble } = this.projects.get(projectId)!;
    if (trouble === undefined) return;
    this.report(projectId, {
      counter: { generation, epoch: trouble.epoch, n: 0 },
      sameAs: [],
      firstChanges: [],
      epochBeganAt: trouble.since,
      watched: false,
      running,
      trouble: trouble.what,
      at: Date.now(),
    });
  }

  private rootsOf(projectId: string): string[] {
    return ROOT_NAMES.map((root) => this.folders.root(projectId, root));
  }
}
