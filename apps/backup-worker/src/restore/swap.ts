import { access, constants, lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Disk } from './disk.js';
import { exists, isAbsence } from './disk.js';
import {
  DamagedRecordError,
  RootBusyError,
  RootNotCoveredError,
  StagedRootMissingError,
  SwapNotConfirmedError,
  SwitchPendingError,
  SwitchStuckError,
  UnrecordedDataError,
} from './errors.js';
import { ROOT_NAMES } from './host-folders.js';
import type { HostFolders, RootName } from './host-folders.js';
import type { Inspection } from './inspection.js';
import { mountPointsWithin } from './mount-points.js';
import type { ProvisionedRecord } from './provisioned-record.js';
import type { ProvisionedRecords } from './provisioned-records.js';
import type { RestoreResult } from './restore-result.js';
import { identityOf, isSameRoot, lookAt } from './roots.js';
import type { RootIdentity } from './roots.js';
import { isSwitchRecord } from './switch-record.js';
import type { SwitchRecord } from './switch-record.js';

export interface SwapRequest {
  operationId: string;
  projectId: string;
  generation: number;
  /** What the restore did; its roots are the ones to swap, and stand flushed in the staging folder of the operation. */
  result: RestoreResult;
  /** Asks the control plane once more whether this may be done. Awaited right before the point of no return. */
  confirm: (signal: AbortSignal) => Promise<boolean>;
}

export interface RollForward {
  /** Swaps that were finished now: the claims for them are still to be made. */
  finished: SwitchRecord[];
  /** Projects whose swap could not be finished; they stay locked. */
  stuck: { projectId: string; error: Error }[];
}

const RECORD_NAME = /^(.+)\.json$/;

/** Puts restored roots in place: all or nothing, whenever the process or the machine dies. */
export class Swap {
  /** Swaps that this process has in hand, which a roll-forward must leave alone. */
  readonly #inHand = new Set<string>();

  constructor(
    private readonly folders: HostFolders,
    private readonly disk: Disk,
    private readonly records: ProvisionedRecords,
    private readonly confirmWithinMs = 30_000,
  ) {}

  /**
   * Swaps the staged roots in; what stood in their place goes to the operation's trash.
   * @throws before anything changed: UnrecordedDataError, RootNotCoveredError, StagedRootMissingError, RootBusyError,
   * SwapNotConfirmedError, SwitchPendingError; after that: SwitchStuckError, and the switch record stays
   */
  async swap(request: SwapRequest): Promise<void> {
    const { projectId } = request;
    if (this.#inHand.has(projectId)) throw new SwitchPendingError(projectId);
    this.#inHand.add(projectId);
    try {
      if (await this.hasPendingSwitch(projectId)) throw new SwitchPendingError(projectId);
      const record = await this.#prepare(request);
      await this.#confirm(request);
      await this.disk.writeRecord(this.folders.switchRecord(projectId), record);
      await this.#finish(record);
    } finally {
      this.#inHand.delete(projectId);
    }
  }

  /** True from the point of no return until all is in place: nothing else may touch the project meanwhile. */
  async hasPendingSwitch(projectId: string): Promise<boolean> {
    return exists(this.folders.switchRecord(projectId));
  }

  /** Finishes the swaps that a crash broke off. To be called at start, before anything else touches a project. */
  async rollForward(): Promise<RollForward> {
    const outcome: RollForward = { finished: [], stuck: [] };
    for (const projectId of await this.#pendingProjects()) {
      if (this.#inHand.has(projectId)) continue;
      this.#inHand.add(projectId);
      try {
        const record = await this.#read(projectId);
        await this.#finish(record);
        outcome.finished.push(record);
      } catch (error) {
        outcome.stuck.push({ projectId, error: error as Error });
      } finally {
        this.#inHand.delete(projectId);
      }
    }
    return outcome;
  }

  /** The operations whose staging and trash are still needed. @throws DamagedRecordError when that cannot be told */
  async pendingOperations(): Promise<Set<string>> {
    const records = await Promise.all((await this.#pendingProjects()).map((projectId) => this.#read(projectId)));
    return new Set(records.map(({ operationId }) => operationId));
  }

  /** Everything that could make a rename fail is looked at here, while there still is a way back. */
  async #prepare({ operationId, projectId, generation, result }: SwapRequest): Promise<SwitchRecord> {
    const inspection = await this.records.inspect(projectId);
    if (inspection.state === 'unrecorded-data') throw new UnrecordedDataError(projectId, inspection.found);
    const uncovered = missingRoots(inspection).filter((root) => !result.roots.includes(root));
    if (uncovered.length > 0) throw new RootNotCoveredError(projectId, uncovered);

    await assertMovable(this.folders.project(projectId));
    const roots: Partial<Record<RootName, RootIdentity>> = 'record' in inspection ? { ...inspection.record.roots } : {};
    for (const root of result.roots) {
      roots[root] = await this.#staged(operationId, root);
      await assertMovable(this.folders.root(projectId, root));
    }
    const provisioned: ProvisionedRecord = {
      version: 1,
      projectId,
      generation,
      // With no root uncovered, every root is either staged or recorded.
      roots: roots as Record<RootName, RootIdentity>,
      since: new Date().toISOString(),
      by: 'restored',
      restore: { operationId, result },
    };
    return { version: 1, operationId, projectId, roots: result.roots, provisioned };
  }

  async #staged(operationId: string, root: RootName): Promise<RootIdentity> {
    const path = join(this.folders.staging(operationId), root);
    const sight = await lookAt(path, (await stat(this.folders.dataRoot, { bigint: true })).dev);
    if (sight.kind !== 'folder') throw new StagedRootMissingError(root);
    await assertMovable(path);
    return sight.identity;
  }

  async #confirm({ projectId, confirm }: SwapRequest): Promise<void> {
    const deadline = AbortSignal.timeout(this.confirmWithinMs);
    const { promise: late, reject } = Promise.withResolvers<never>();
    deadline.addEventListener('abort', () => reject(deadline.reason as Error), { once: true });
    let confirmed: boolean;
    try {
      confirmed = await Promise.race([confirm(deadline), late]);
    } catch (error) {
      throw new SwapNotConfirmedError(projectId, { cause: error });
    }
    if (!confirmed) throw new SwapNotConfirmedError(projectId);
  }

  /** Does what is left to do. Every step can be repeated; only the folders tell which ones were done. */
  async #finish(record: SwitchRecord): Promise<void> {
    try {
      await this.#putInPlace(record);
      await this.records.write(record.provisioned);
      await this.disk.removeRecord(this.folders.switchRecord(record.projectId));
    } catch (error) {
      if (error instanceof SwitchStuckError) throw error;
      throw new SwitchStuckError(record.projectId, (error as Error).message, { cause: error });
    }
  }

  async #putInPlace({ operationId, projectId, roots, provisioned }: SwitchRecord): Promise<void> {
    const [project, staging] = [this.folders.project(projectId), this.folders.staging(operationId)];
    const isIn = (folder: string, root: RootName) => hasIdentity(join(folder, root), provisioned.roots[root]);

    const open: RootName[] = [];
    for (const root of roots) if (!(await isIn(project, root))) open.push(root);
    for (const root of open) {
      if (!(await isIn(staging, root))) throw new SwitchStuckError(projectId, `${root} is no longer in ${staging}`);
    }
    await this.disk.makeFolder(project, 0o755);
    const trash = this.folders.trash(operationId);
    for (const root of open) {
      if (!(await exists(join(project, root)))) continue;
      await this.disk.makeFolder(trash);
      await this.disk.move(join(project, root), await freeName(join(trash, root)));
    }
    await this.#flush(trash, project);
    for (const root of open) await this.disk.move(join(staging, root), join(project, root));
    await this.#flush(project, staging);
  }

  /** What an earlier attempt moved is flushed too; it may not have come to that. */
  async #flush(...folders: string[]): Promise<void> {
    for (const folder of folders) if (await exists(folder)) await this.disk.flushFolder(folder);
  }

  async #pendingProjects(): Promise<string[]> {
    await this.disk.makeFolder(this.folders.switches);
    const names = await readdir(this.folders.switches);
    return names.flatMap((name) => RECORD_NAME.exec(name)?.[1] ?? []);
  }

  async #read(projectId: string): Promise<SwitchRecord> {
    const file = this.folders.switchRecord(projectId);
    const value = await this.disk.readRecord(file);
    if (!isSwitchRecord(value, projectId)) throw new DamagedRecordError(file);
    return value;
  }
}

function missingRoots(inspection: Exclude<Inspection, { state: 'unrecorded-data' }>): readonly RootName[] {
  if (inspection.state === 'provisioned') return [];
  return inspection.state === 'root-missing' ? inspection.missing : ROOT_NAMES;
}

/** @throws RootBusyError when something is mounted there, or when this user may not rename it. */
async function assertMovable(path: string): Promise<void> {
  if (!(await exists(path))) return;
  const [mounted] = await mountPointsWithin(path);
  if (mounted !== undefined) throw new RootBusyError(path, `${mounted} is mounted there`);
  try {
    // Moving a folder to another parent writes to the folder itself.
    await access(path, constants.W_OK);
  } catch (error) {
    throw new RootBusyError(path, 'this user may not write to it', { cause: error });
  }
}

async function hasIdentity(path: string, identity: RootIdentity): Promise<boolean> {
  try {
    const stats = await lstat(path, { bigint: true });
    return stats.isDirectory() && isSameRoot(identityOf(stats), identity);
  } catch (error) {
    if (isAbsence(error)) return false;
    throw error;
  }
}

/** Twice in the trash of one operation: the first was there before the swap, a later one came up in the middle of it. */
async function freeName(path: string): Promise<string> {
  for (let number = 1; number < 100; number += 1) {
    const name = number === 1 ? path : `${path}-${number}`;
    if (!(await exists(name))) return name;
  }
  throw new Error(`${path} exists a hundred times over`);
}
