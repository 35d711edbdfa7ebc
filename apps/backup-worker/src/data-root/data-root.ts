import { mkdir, readdir, stat } from 'node:fs/promises';
import { Backoff, quietPause } from '@buckets/patience';
import type { Logger } from '@buckets/service';
import { DataRootMissingError, type Disk, type HostFolders } from '../host-data/index.js';
import { exists, isAbsence } from '../file-system/paths.js';
import { DataRootInUse, lockDataRoot } from './data-root-lock.js';
import {
  judgeDataRoot,
  type DataRootProblem,
  type DataRootVerdict,
  type ExpectedProject,
  type MarkerSight,
} from './judge-data-root.js';
import { lookAtMarker, writeMarker } from './marker.js';

export interface DataRootParts {
  hostId: string;
  folders: HostFolders;
  disk: Disk;
  /** The projects of this host, by the control plane's word; it may fail. Asked only where there is no marker. */
  assigned: (signal: AbortSignal) => Promise<readonly { projectId: string; provisioned: boolean }[]>;
  /** Finishes what was broken off, before anything else touches a project: whenever the data root has come. */
  putInOrder: () => Promise<void>;
  /** It has come, or has gone: for whoever knows of its projects. */
  onChange: () => void;
  log: Pick<Logger, 'info' | 'error'>;
  lookEveryMs?: number;
}

const LOOK_EVERY_MS = 1_000;
const ASK_EVERY_MS = 15_000;
const SAY_AGAIN_EVERY_MS = 60_000;
const BETWEEN_TRIES = new Backoff({ firstMs: 1_000, maxMs: 30_000 });

/**
 * The folder that holds the projects of this host, as long as it is there. An empty folder in its place is no empty host:
 * while the marker with the host's id is not to be seen, nothing is done, and that is said over and over.
 */
export class DataRoot {
  #problem: DataRootProblem | undefined = { state: 'opening', why: 'What was broken off in it is being put in order.' };
  #wasHere = false;
  /** The last time that it could not be used: until when, by `performance.now()`. */
  #away = { until: Infinity, why: 'It was being put in order.' };
  #here = Promise.withResolvers<void>();
  #lock: { of: string; release: () => Promise<void> } | undefined;
  #expected: { at: number; projects?: readonly ExpectedProject[] } | undefined;
  #saidAt = Number.NEGATIVE_INFINITY;
  #failures = 0;

  constructor(private readonly parts: DataRootParts) {}

  /** Why it cannot be used; undefined while it can. */
  get problem(): DataRootProblem | undefined {
    return this.#problem;
  }

  /** Fulfilled while it is here, and in order. */
  here(): Promise<void> {
    return this.#here.promise;
  }

  /**
   * Looks for the first time, and then over and over until the signal.
   * @throws {DataRootInUse} another worker serves it: that is no state to wait in
   */
  async begin(signal: AbortSignal): Promise<void> {
    await this.#lockIfThere();
    await this.look(signal);
    void this.#keepLooking(signal);
  }

  /** For the host's health. */
  check(): Promise<void> {
    const problem = this.#problem;
    if (problem === undefined) return Promise.resolve();
    const needsOperator = problem.state !== 'opening' && problem.passes !== true;
    return Promise.reject(new DataRootMissingError(problem.why, problem.state, needsOperator));
  }

  /** Looks now whether it is here. @throws {DataRootMissingError} */
  readonly mustBeHere = async (): Promise<void> => {
    if (this.#problem === undefined) {
      const verdict = await this.#judge(await lookAtMarker(this.parts.folders.marker), undefined);
      if (verdict.state !== 'here' && verdict.state !== 'unmarked') this.#close(verdict);
    }
    if (this.#problem !== undefined) throw new DataRootMissingError(this.#problem.why, this.#problem.state);
  };

  /**
   * Looks now, and tells why it could not be used at some time since the moment (of `performance.now()`); undefined where that
   * was not seen.
   */
  readonly whyAwaySince = async (moment: number): Promise<string | undefined> => {
    await this.mustBeHere().catch(() => undefined);
    return this.#away.until >= moment ? this.#away.why : undefined;
  };

  async end(): Promise<void> {
    await this.#lock?.release();
  }

  /** One look; what it finds is acted upon. */
  async look(signal: AbortSignal): Promise<void> {
    try {
      const verdict = await this.#look(signal);
      if (verdict.state === 'unmarked') await this.#take();
      else if (verdict.state !== 'here') return this.#close(verdict);
      this.#wasHere = true;
      if (this.#problem !== undefined) await this.#open();
      this.#failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      this.#failures += 1;
      const why = error instanceof Error ? error.message : String(error);
      this.#close({ state: error instanceof DataRootInUse ? 'in-use' : 'unreadable', why });
    }
  }

  async #keepLooking(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { lookEveryMs = LOOK_EVERY_MS } = this.parts;
      const ms = this.#failures > 0 ? BETWEEN_TRIES.delayMs(this.#failures) : lookEveryMs;
      await quietPause(ms, signal, { ref: false });
      if (!signal.aborted) await this.look(signal);
    }
  }

  async #look(signal: AbortSignal): Promise<DataRootVerdict> {
    const sight = await lookAtMarker(this.parts.folders.marker);
    const isNew = sight === 'absent' && !this.#wasHere;
    return this.#judge(sight, isNew ? await this.#expectedProjects(signal) : undefined);
  }

  async #judge(sight: MarkerSight, expected: readonly ExpectedProject[] | undefined): Promise<DataRootVerdict> {
    const { hostId, folders } = this.parts;
    // For the sentence alone: what cannot be read is as good as not there.
    const present = sight === 'absent' ? (await readdir(folders.states).catch(() => [])).length : 0;
    return judgeDataRoot(
      { dataRoot: folders.dataRoot, marker: folders.marker, hostId },
      sight,
      expected,
      this.#wasHere,
      present,
    );
  }

  /** Undefined when nobody has said it. */
  async #expectedProjects(signal: AbortSignal): Promise<readonly ExpectedProject[] | undefined> {
    const { assigned, folders } = this.parts;
    if (this.#expected !== undefined && performance.now() - this.#expected.at < ASK_EVERY_MS) {
      return this.#expected.projects;
    }
    const items = await assigned(signal).catch(() => undefined);
    const projects =
      items &&
      (await Promise.all(
        items.map(async ({ projectId, provisioned }) => ({
          provisioned,
          recorded: await exists(folders.provisionedRecord(projectId)),
        })),
      ));
    this.#expected = { at: performance.now(), ...(projects && { projects }) };
    return projects;
  }

  /** Nothing stands against it: from now on the folder is this host's. */
  async #take(): Promise<void> {
    const { folders, hostId, disk, log } = this.parts;
    await mkdir(folders.dataRoot, { recursive: true });
    await this.#lockIfThere();
    await writeMarker(folders.marker, hostId, disk);
    log.info({ marker: folders.marker }, 'The data root is marked as that of this host');
  }

  async #open(): Promise<void> {
    await this.#lockIfThere();
    await this.parts.putInOrder();
    this.#problem = undefined;
    this.#away.until = performance.now();
    this.#saidAt = Number.NEGATIVE_INFINITY;
    this.parts.log.info({ dataRoot: this.parts.folders.dataRoot }, 'The data root is here');
    this.#here.resolve();
    this.parts.onChange();
  }

  #close(problem: DataRootProblem): void {
    const isNews = this.#problem?.state !== problem.state;
    if (this.#problem === undefined) this.#here = Promise.withResolvers();
    this.#problem = problem;
    this.#away = { until: Infinity, why: problem.why };
    if (isNews || performance.now() - this.#saidAt >= SAY_AGAIN_EVERY_MS) {
      this.#saidAt = performance.now();
      this.parts.log.error({ ...problem }, 'The data root is not here: this host does nothing until it is');
    }
    if (isNews) this.parts.onChange();
  }

  /** Once more when another folder stands in its place, as after a mount. */
  async #lockIfThere(): Promise<void> {
    const { dataRoot } = this.parts.folders;
    const of = await stat(dataRoot).then(
      ({ dev, ino }) => `${dev}-${ino}`,
      (error: unknown) => {
        if (isAbsence(error)) return undefined;
        throw error;
      },
    );
    if (of === undefined || of === this.#lock?.of) return;
    const release = await lockDataRoot(dataRoot);
    await this.#lock?.release();
    this.#lock = { of, release };
  }
}
