import {
  DamagedRecordError,
  ROOT_NAMES,
  SwitchPendingError,
  UnrecordedDataError,
  type Finding,
  type Inspection,
  type ProvisionedRecords,
  type RestoreResult,
  type RootName,
  type SpaceNeed,
  type Staging,
  type Swap,
  type SwapRequest,
  type Trash,
} from '../host-data/index.js';
import { flushFileSystem } from '../host-data/flush.js';
import { ToolFailedError } from '../processes/run-tool.js';
import { LISTED_FINDINGS, type FindingList } from './check/findings.js';
import { entriesWithin, type SnapshotEntry } from './check/snapshot-entry.js';
import { checkTree, toleratedFindings } from './check/tree-check.js';
import { writeXattrs } from './check/xattrs.js';
import { NothingMissingError, RestoreDiffersError } from './errors.js';

/** One backup, as the restore needs it. */
export interface RestorableBackup {
  /** The rustic snapshot id. */
  id: string;
  need: SpaceNeed;
  /** What of these roots is lost in the repository; all else is among the entries. */
  lost?: (roots: readonly RootName[]) => { total: number; first: Finding[] };
  /** All entries of the snapshot, in any order; may be asked for again. */
  entries: () => AsyncIterable<SnapshotEntry>;
  /**
   * Writes these roots with owners, times and all into the folder, which is empty and fresh, and returns what it
   * warned about. Anything else that it leaves in the folder is ignored and removed.
   */
  restoreInto: (folder: string, roots: readonly RootName[], signal: AbortSignal) => Promise<RestoreWarnings>;
}

export interface RestoreWarnings {
  warnings: string[];
  /** Warnings of extended attributes that were not set. They are set again, and count if that is not possible. */
  ofAttributes?: string[];
}

export interface RestoreOrder {
  operationId: string;
  projectId: string;
  generation: number;
  backup: RestorableBackup;
  /** `missing`: the roots that are not here; `everything`: both, and what stands there goes to trash. */
  what: 'missing' | 'everything';
  confirm: SwapRequest['confirm'];
  /** Does the swap while nobody else looks at the project, and tells it what was known of the data until then. */
  whileSwapping: <T>(swap: (lastWord: NonNullable<SwapRequest['lastWord']>) => Promise<T>) => Promise<T>;
  onPhase?: (phase: RestorePhase) => void;
  /** Cancels; once the swap has begun it has no effect. */
  signal: AbortSignal;
}

export type RestorePhase = 'preparing' | 'restoring' | 'checking' | 'swapping';

export interface RestoreLimits {
  /** For flushing the file system to disk, in milliseconds. */
  flushTimeoutMs: number;
  /** For setting extended attributes again, in milliseconds. */
  xattrTimeoutMs: number;
}

/** Brings a backup's roots to their place: staged, checked, flushed, swapped in. */
export class StagedRestore {
  constructor(
    private readonly records: ProvisionedRecords,
    private readonly staging: Staging,
    private readonly swap: Swap,
    private readonly trash: Trash,
    /** Told of what is left behind; a later sweep takes it away. */
    private readonly onLeftover: (error: Error) => void,
    private readonly limits: RestoreLimits = { flushTimeoutMs: 30 * 60_000, xattrTimeoutMs: 30 * 60_000 },
  ) {}

  /**
   * Restores; an order that was carried out already returns its first result.
   * @throws HostDataError, or the error of `restoreInto`; unless it is a SwitchStuckError, nothing changed
   */
  async restore(order: RestoreOrder): Promise<RestoreResult> {
    const { operationId, projectId, signal } = order;
    if (await this.swap.hasPendingSwitch(projectId)) throw new SwitchPendingError(projectId);
    const inspection = await this.records.inspect(projectId, order.generation);
    const done = resultOf(inspection, operationId);
    if (done) return done;
    const roots = rootsToRestore(projectId, inspection, order.what);
    try {
      const result = await this.#stage(order, roots);
      signal.throwIfAborted();
      order.onPhase?.('swapping');
      return await order.whileSwapping((lastWord) => this.swap.swap({ ...order, result, lastWord }));
    } finally {
      await this.#discardStaging(projectId, operationId);
    }
  }

  /**
   * For an operation that was cut off: whether its data are in place (`done`), only in part (`half`, until the swap is
   * finished), or not. What it staged is removed.
   */
  async afterCut(
    projectId: string,
    operationId: string,
    generation: number,
  ): Promise<{ state: 'half' } | { state: 'nothing' } | { state: 'done'; result: RestoreResult }> {
    if (await this.swap.hasPendingSwitch(projectId)) return { state: 'half' };
    await this.#discardStaging(projectId, operationId);
    const result = resultOf(await this.records.inspect(projectId, generation), operationId);
    return result ? { state: 'done', result } : { state: 'nothing' };
  }

  /**
   * Removes what crashed restores left in staging. To be called after a roll-forward, and as often as one likes.
   * @param active asked right before each removal
   * @returns the operations that left it; what cannot be removed is told as left over
   */
  async sweep(active: { has(operationId: string): boolean }, signal?: AbortSignal): Promise<string[]> {
    try {
      const pending = await this.swap.pendingOperations();
      const keep = { has: (operationId: string) => pending.has(operationId) || active.has(operationId) };
      const { removed, failures } = await this.staging.sweep(keep, signal);
      for (const failure of failures) this.onLeftover(failure);
      return removed;
    } catch (error) {
      // A switch record that cannot be read: whose staging is still needed is anybody's guess.
      if (!(error instanceof DamagedRecordError)) throw error;
      this.onLeftover(error);
      return [];
    }
  }

  /** Removes the data that ended restores have replaced, once they have been kept for long enough. */
  async emptyTrash(activeOperations: Iterable<string>, signal?: AbortSignal): ReturnType<Trash['empty']> {
    return this.trash.empty(await this.#inUse(activeOperations), signal);
  }

  async #stage(order: RestoreOrder, roots: RootName[]): Promise<RestoreResult> {
    const { operationId, projectId, backup, signal } = order;
    order.onPhase?.('preparing');
    const folder = await this.staging.prepare(operationId, projectId, backup.need, signal);
    order.onPhase?.('restoring');
    const warnings = await this.#restoreInto(folder, order, roots);
    order.onPhase?.('checking');
    const [flushed, checked] = await Promise.allSettled([
      flushFileSystem(folder, { timeoutMs: this.limits.flushTimeoutMs, signal }),
      checkTree(folder, backup.entries, { roots, signal }),
    ]);
    if (checked.status === 'rejected') throw checked.reason;
    if (flushed.status === 'rejected') throw flushed.reason;
    const { entries, folders, bytes, differences, problems } = checked.value;
    addWarnings(warnings, toleratedFindings().has('warning') ? problems : differences);
    if (differences.count > 0) throw new RestoreDiffersError(differences.count, differences.first.map(inWords));
    const lost = backup.lost?.(roots) ?? { total: 0, first: [] };
    return {
      backupId: backup.id,
      roots,
      entries,
      folders,
      bytes,
      problems: [...lost.first, ...problems.first].slice(0, LISTED_FINDINGS),
      problemCount: lost.total + problems.count,
    };
  }

  /**
   * rustic sets an entry's mode before its attributes, and gives the others up with the first that it may not set. So
   * what it warned about, of which it lists the beginning only, is set once more; the check names what still lacks.
   */
  async #restoreInto(folder: string, { backup, signal }: RestoreOrder, roots: RootName[]): Promise<string[]> {
    const { warnings, ofAttributes = [] } = await backup.restoreInto(folder, roots, signal);
    if (warnings.length + ofAttributes.length === 0) return [];
    try {
      const limits = { timeoutMs: this.limits.xattrTimeoutMs, signal };
      await writeXattrs(folder, entriesWithin(roots, backup.entries()), limits);
      return [...warnings];
    } catch (error) {
      if (!(error instanceof ToolFailedError)) throw error;
      return [...warnings, ...ofAttributes];
    }
  }

  async #discardStaging(projectId: string, operationId: string): Promise<void> {
    try {
      // After a swap that got stuck the staged roots are the only ones.
      if (!(await this.swap.hasPendingSwitch(projectId))) await this.staging.discard(operationId);
    } catch (error) {
      this.onLeftover(error as Error);
    }
  }

  async #inUse(activeOperations: Iterable<string>): Promise<Set<string>> {
    return (await this.swap.pendingOperations()).union(new Set(activeOperations));
  }
}

/** Which roots a restore puts in place. @throws UnrecordedDataError, NothingMissingError */
function rootsToRestore(projectId: string, inspection: Inspection, what: RestoreOrder['what']): RootName[] {
  if (inspection.state === 'unrecorded-data') throw new UnrecordedDataError(projectId, inspection.found);
  if (what === 'missing' && inspection.state === 'provisioned') throw new NothingMissingError(projectId);
  return what === 'missing' && inspection.state === 'root-missing' ? inspection.missing : [...ROOT_NAMES];
}

function resultOf(inspection: Inspection, operationId: string): RestoreResult | undefined {
  if (inspection.state !== 'provisioned' || inspection.record.restore?.operationId !== operationId) return undefined;
  return inspection.record.restore.result;
}

function addWarnings(warnings: readonly string[], list: FindingList): void {
  for (const detail of warnings) list.add({ kind: 'warning', path: '', detail });
}

function inWords({ kind, path, detail }: Finding): string {
  return [path, `${kind}: ${detail}`].filter(Boolean).join(' ');
}
