import type { Logger } from '@buckets/service';
import type { Hooks } from './hooks/hook.js';
import type { LiveFiles } from './live-files/index.js';
import type { EndingNotes } from './operations/ending-notes.js';
import type { Operations } from './operations/operations.js';
import type { Swap } from './host-data/index.js';
import type { StagedRestore } from './restore/staged-restore.js';
import type { Rustic } from './rustic/index.js';

const EVERY_MS = 10 * 60_000;
const KEEP_NOTES_MS = 7 * 24 * 3_600_000;

/** Cleans up after a worker that died, after restores that are over, and whatever could not be removed in its time. */
export class Housekeeping {
  private timer: NodeJS.Timeout | undefined;
  private readonly ending = new AbortController();

  constructor(
    private readonly rustic: Rustic,
    private readonly hooks: Hooks,
    private readonly swap: Swap,
    private readonly stagedRestore: StagedRestore,
    private readonly notes: EndingNotes,
    private readonly files: LiveFiles,
    private readonly dataRootMustBeHere: () => Promise<void>,
    private readonly log: Logger,
  ) {}

  /**
   * Before anything else touches a project, whenever the data root has come: ends what an earlier worker left running,
   * finishes its swaps.
   *
   * @param active the operations that this worker has in hand; none at its start
   */
  async putInOrder(active: { has(operationId: string): boolean }): Promise<void> {
    await this.endOrphans();
    const { finished, stuck } = await this.swap.rollForward();
    for (const { projectId, operationId } of finished) this.log.warn({ projectId, operationId }, 'Finished a restore');
    for (const { projectId, error } of stuck) this.log.error({ projectId, error }, 'A restore cannot be finished');
    await this.sweepStaging(active);
  }

  begin(operations: Operations): void {
    const clean = () => void this.clean(operations);
    clean();
    this.timer = setInterval(clean, EVERY_MS);
  }

  end(): void {
    clearInterval(this.timer);
    this.ending.abort();
  }

  /** One after another; what fails is tried again, and does not keep the rest. */
  private async clean(operations: Operations): Promise<void> {
    const steps = [
      () => this.endOrphans(),
      () => this.sweepFiles(),
      () => this.sweepStaging({ has: (operationId) => operations.isOpen(operationId) }),
      () => this.emptyTrash(operations),
      () => this.notes.sweep(KEEP_NOTES_MS),
    ];
    for (const step of steps) {
      if (this.ending.signal.aborted || !(await this.isDataRootHere())) return;
      await step().catch((error: unknown) => {
        if (!this.ending.signal.aborted) this.log.warn({ error }, 'Housekeeping has failed; it is tried again');
      });
    }
  }

  private isDataRootHere(): Promise<boolean> {
    return this.dataRootMustBeHere().then(
      () => true,
      () => false,
    );
  }

  private async endOrphans(): Promise<void> {
    for (const runner of [this.rustic, this.hooks]) {
      const { ended, stillRunning } = await runner.reapOrphans();
      if (ended.length + stillRunning.length > 0) this.log.warn({ ended, stillRunning }, 'Ended what was left running');
    }
  }

  private async sweepFiles(): Promise<void> {
    const { removalsLeft } = await this.files.sweep();
    if (removalsLeft.length > 0) this.log.warn({ removalsLeft }, 'Removed files that are still there are tried again');
  }

  private async sweepStaging(active: { has(operationId: string): boolean }): Promise<void> {
    const swept = await this.stagedRestore.sweep(active, this.ending.signal);
    if (swept.length > 0) this.log.info({ swept }, 'Removed what unfinished restores had staged');
  }

  private async emptyTrash(operations: Operations): Promise<void> {
    const { removed, failures } = await this.stagedRestore.emptyTrash(operations.openIds, this.ending.signal);
    if (removed.length > 0) this.log.info({ removed }, 'Removed data that restores had replaced');
    for (const error of failures) this.log.warn({ error }, 'Data that a restore had replaced cannot be removed');
  }
}
