import { access, constants, lstat, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Disk } from './disk.js';
import { exists, isAbsence } from '../file-system/paths.js';
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
import { mountPointsWithin } from '../file-system/mount-points.js';
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
  /** What is known of the changes of the data that are replaced. Asked right before the point of no return. */
  lastWord?: () => Promise<RestoreResult['replaced']>;
}

export interface FinishedSwap {
  operationId: string;
  projectId: string;
  generation: number;
  result: RestoreResult;
}

export interface RollForward {
  /** Swaps that were finished now: the claims for them are still to be made. */
  finished: FinishedSwap[];
  /** Projects whose swap could not be finished; they stay locked. */
  stuck: { projectId: string; error: Error }[];
}

const RECORD_NAME = /^(.+)\.json$/;
/** Permission bits with setuid, setgid and sticky. */
const MODE = 0o7777;
/** What the owner of a folder needs to move it and to flush it to disk. */
const OPENED = 0o600;

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
   * Swaps the staged roots in; the roots that stood in their place go to the operation's trash.
   * @returns the result with what came to light meanwhile
   * @throws before anything changed: UnrecordedDataError, RootNotCoveredError, StagedRootMissingError, RootBusyError,
   * SwapNotConfirmedError, SwitchPendingError; after that: SwitchStuckError, and the switch record stays
   */
  async swap(request: SwapRequest): Promise<RestoreResult> {
    const { projectId } = request;
    if (this.#inHand.has(projectId)) throw new SwitchPendingError(projectId);
    this.#inHand.add(projectId);
    try {
      if (await this.hasPendingSwitch(projectId)) throw new SwitchPendingError(projectId);
      const record = await this.#prepare(request);
      await this.#confirm(request);
      const replaced = await request.lastWord?.();
      if (replaced !== undefined) record.provisioned.restore.result = { ...request.result, replaced };
      await this.disk.writeRecord(this.folders.switchRecord(projectId), record);
      return (await this.#finish(record)).result;
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
        outcome.finished.push(await this.#finish(await this.#read(projectId)));
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
    const inspection = await this.records.inspect(projectId, generation);
    if (inspection.state === 'unrecorded-data') throw new UnrecordedDataError(projectId, inspection.found);
    const uncovered = missingRoots(inspection).filter((root) => !result.roots.includes(root));
    if (uncovered.length > 0) throw new RootNotCoveredError(projectId, uncovered);

    await assertWritable(this.folders.project(projectId));
    // What came under another assignment may be in no backup: it goes where a person decides, not to trash.
    const { state } = inspection;
    const replaces = state === 'provisioned' || state === 'root-missing' ? inspection.record.roots : undefined;
    const roots: Partial<Record<RootName, RootIdentity>> = { ...replaces };
    const modes: SwitchRecord['modes'] = {};
    for (const root of result.roots) {
      await assertMovable(this.folders.root(projectId, root));
      roots[root] = await this.#staged(operationId, root);
      modes[root] = await modeOf(join(this.folders.staging(operationId), root));
    }
    const provisioned: SwitchRecord['provisioned'] = {
      version: 1,
      projectId,
      generation,
      // With no root uncovered, every root is either staged or recorded.
      roots: roots as Record<RootName, RootIdentity>,
      since: new Date().toISOString(),
      by: 'restored',
      restore: { operationId, result },
    };
    return { version: 1, operationId, projectId, roots: result.roots, modes, replaces, provisioned };
  }

  async #staged(operationId: string, root: RootName): Promise<RootIdentity> {
    const path = join(this.folders.staging(operationId), root);
    const sight = await lookAt(path, await this.#device());
    if (sight.kind !== 'folder') throw new StagedRootMissingError(root);
    await assertMovable(path);
    return sight.identity;
  }

  /** The file system on which all of it has to be. */
  async #device(): Promise<bigint> {
    return (await stat(this.folders.dataRoot, { bigint: true })).dev;
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
  async #finish(record: SwitchRecord): Promise<FinishedSwap> {
    const { projectId, operationId, provisioned } = record;
    try {
      await this.#putInPlace(record);
      const result = await this.#withKept(operationId, provisioned.restore.result);
      await this.records.write({ ...provisioned, restore: { operationId, result } });
      await this.disk.removeRecord(this.folders.switchRecord(projectId));
      return { operationId, projectId, generation: provisioned.generation, result };
    } catch (error) {
      if (error instanceof SwitchStuckError) throw error;
      throw new SwitchStuckError(projectId, (error as Error).message, { cause: error });
    }
  }

  async #putInPlace(record: SwitchRecord): Promise<void> {
    const { operationId, projectId, provisioned } = record;
    const [project, staging] = [this.folders.project(projectId), this.folders.staging(operationId)];
    const isIn = (folder: string, root: RootName) => hasIdentity(join(folder, root), provisioned.roots[root]);

    const open: RootName[] = [];
    for (const root of record.roots) if (!(await isIn(project, root))) open.push(root);
    for (const root of open) {
      if (!(await isIn(staging, root))) throw new SwitchStuckError(projectId, `${root} is no longer in ${staging}`);
    }
    await this.disk.makeFolder(project, 0o755);
    for (const root of open) await this.#moveAway(record, root);
    await this.#flush(this.folders.trash(operationId), this.folders.kept(operationId), project);
    for (const root of open) await this.#move(join(staging, root), join(project, root));
    for (const root of record.roots) await this.#setMode(join(project, root), record.modes?.[root]);
    await this.#flush(project, staging, this.folders.dataRoot);
  }

  /** To trash goes what the restore was asked to replace, and an empty folder; anything else is kept for a person. */
  async #moveAway({ operationId, projectId, replaces }: SwitchRecord, root: RootName): Promise<void> {
    const place = this.folders.root(projectId, root);
    const sight = await lookAt(place, await this.#device());
    if (sight.kind === 'absent') return;
    const expendable =
      sight.kind === 'folder' && (sight.empty || (replaces && isSameRoot(sight.identity, replaces[root])));
    const away = expendable ? this.folders.trash(operationId) : this.folders.kept(operationId);
    await this.disk.makeFolder(dirname(away));
    await this.disk.makeFolder(away);
    await this.#move(place, await freeName(join(away, root)));
  }

  /** A folder gets another parent only if it may be written to: one that forbids that to its owner is opened, and stays so. */
  async #move(from: string, to: string): Promise<void> {
    if (await isClosedToOwner(from)) await this.disk.openFolder(from, (await modeOf(from)) | OPENED);
    await this.disk.move(from, to);
  }

  async #setMode(root: string, mode: number | undefined): Promise<void> {
    if (mode !== undefined && (await modeOf(root)) !== mode) await this.disk.setMode(root, mode);
  }

  async #withKept(operationId: string, result: RestoreResult): Promise<RestoreResult> {
    const folder = this.folders.kept(operationId);
    if (!(await exists(folder))) return result;
    const kept = (await readdir(folder)).toSorted().map((name) => {
      const detail = `stood in its place, is not accounted for by this assignment, and is kept in ${join(folder, name)}`;
      return { kind: 'kept' as const, path: name, detail };
    });
    return { ...result, problems: [...kept, ...result.problems], problemCount: result.problemCount + kept.length };
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
    // The name was found there, and need not be an id.
    const file = join(this.folders.switches, `${projectId}.json`);
    const value = await this.disk.readRecord(file).catch((error: unknown) => {
      // Whatever keeps it from being read, what it says is not known.
      throw error instanceof DamagedRecordError ? error : new DamagedRecordError(file, { cause: error });
    });
    if (!isSwitchRecord(value, projectId)) throw new DamagedRecordError(file);
    return value;
  }
}

function missingRoots(inspection: Exclude<Inspection, { state: 'unrecorded-data' }>): readonly RootName[] {
  if (inspection.state === 'provisioned') return [];
  return inspection.state === 'root-missing' ? inspection.missing : ROOT_NAMES;
}

/** @throws RootBusyError when something is mounted there, or when this user may not give it another parent. */
async function assertMovable(path: string): Promise<void> {
  if (!(await exists(path)) || !(await isClosedToOwner(path))) return assertWritable(path);
  await assertNothingMounted(path);
}

/** @throws RootBusyError when something is mounted there, or when this user may not write to it. */
async function assertWritable(path: string): Promise<void> {
  if (!(await exists(path))) return;
  await assertNothingMounted(path);
  try {
    await access(path, constants.W_OK);
  } catch (error) {
    const { uid, mode } = await lstat(path);
    const whose = `it belongs to user ${uid} and has the mode ${(mode & MODE).toString(8).padStart(4, '0')}`;
    throw new RootBusyError(path, `user ${process.geteuid?.()} may not write to it (${whose})`, { cause: error });
  }
}

async function assertNothingMounted(path: string): Promise<void> {
  const [mounted] = await mountPointsWithin(path);
  if (mounted !== undefined) throw new RootBusyError(path, `${mounted} is mounted there`);
}

/** True for a folder of this user's own that it may not write to, which it can change. */
async function isClosedToOwner(path: string): Promise<boolean> {
  const stats = await lstat(path);
  return stats.isDirectory() && stats.uid === process.geteuid?.() && (stats.mode & OPENED) !== OPENED;
}

async function modeOf(path: string): Promise<number> {
  return (await lstat(path)).mode & MODE;
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

/** A roll-forward may find the same place taken again. */
async function freeName(path: string): Promise<string> {
  for (let number = 1; number < 100; number += 1) {
    const name = number === 1 ? path : `${path}-${number}`;
    if (!(await exists(name))) return name;
  }
  throw new Error(`${path} exists a hundred times over`);
}
