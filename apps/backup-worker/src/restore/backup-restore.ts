import type { BackupRecord, Phase, RestoreResult } from '@buckets/contracts';
import type { ReadablePart } from '@buckets/repository';
import type { LocalProjects } from '../local-projects/local-projects.js';
import { asFailure } from '../operations/failures.js';
import type { Attempt, CutOff } from '../operations/operation.js';
import { whenThereIsRoom } from '../operations/waiting.js';
import type { Budget } from '../queue/budget.js';
import { ProjectRepository } from '../repository/project-repository.js';
import { SwitchStuckError } from '../host-data/index.js';
import type { Rustic } from '../rustic/index.js';
import type { DamageWatch } from '../verify/damage-watch.js';
import { restorableBackup } from './restorable-backup.js';
import { resultOf } from './restore-outcome.js';
import { signsOfDisk } from './signs-of-disk.js';
import type { RestorableBackup, RestoreOrder, RestorePhase, StagedRestore } from './staged-restore.js';

const PHASES: Record<RestorePhase, Phase> = {
  preparing: 'preparing',
  restoring: 'restoring',
  checking: 'verifying',
  swapping: 'switching',
};

/** Brings a backup back into its project, for a restore that was asked for and for a start whose data are missing. */
export class BackupRestore {
  constructor(
    private readonly stagedRestore: StagedRestore,
    private readonly rustic: Rustic,
    private readonly budget: Budget,
    private readonly damage: Pick<DamageWatch, 'mend'>,
    private readonly projects: Pick<LocalProjects, 'whileSwapping'>,
  ) {}

  async restore(attempt: Attempt, record: BackupRecord, what: RestoreOrder['what']): Promise<RestoreResult> {
    return whenThereIsRoom(attempt, this.budget, costOf(record), async () => {
      await this.damage.mend(attempt, { onlyKnown: true });
      await using repository = new ProjectRepository(attempt.grant, this.rustic);
      using _signs = signsOfDisk(attempt.alive);
      const restore = async (part?: ReadablePart): Promise<RestoreResult> => {
        const backup = await restorableBackup(attempt, record, repository, this.rustic, part);
        return resultOf(await this.stagedRestore.restore(this.orderFor(attempt, backup, what, record.bytes)), record);
      };
      return isDamaged(attempt, record) ? withReadablePart(attempt, record, repository, restore) : restore();
    });
  }

  private orderFor(
    attempt: Attempt,
    backup: RestorableBackup,
    what: RestoreOrder['what'],
    bytesTotal: number,
  ): RestoreOrder {
    const { projectId, signal, intent } = attempt;
    return {
      operationId: intent.operationId,
      projectId,
      generation: intent.generation,
      backup,
      what,
      confirm: async () => {
        await attempt.confirm();
        return true;
      },
      whileSwapping: (swap) => this.projects.whileSwapping(projectId, swap),
      onPhase: (phase) => attempt.progress({ phase: PHASES[phase], bytesDone: 0, bytesTotal }),
      signal,
    };
  }

  /**
   * Removes what a cancelled restore has staged, and looks whether it is in place all the same.
   *
   * @returns its result in that case
   * @throws {AttemptFailed} `switch-stuck` when it is half in place
   */
  async afterCut({ projectId, intent, grant }: CutOff): Promise<RestoreResult | undefined> {
    const came = await this.stagedRestore.afterCut(projectId, intent.operationId, intent.generation);
    if (came.state === 'half') throw asFailure(new SwitchStuckError(projectId, 'it was cut off by a crash'));
    return came.state === 'done' ? resultOf(came.result, grant.restore) : undefined;
  }
}

/** Whether it was asked for although something of it is known to be lost: what is left of it is brought back then. */
function isDamaged({ grant }: Attempt, { backupId }: BackupRecord): boolean {
  return grant.damagedBackups?.includes(backupId) === true;
}

/** Has the part of a damaged backup that can be read restored, which is a snapshot of its own meanwhile. */
async function withReadablePart(
  attempt: Attempt,
  { backupId }: BackupRecord,
  repository: ProjectRepository,
  restore: (part: ReadablePart) => Promise<RestoreResult>,
): Promise<RestoreResult> {
  const { signal, alive, confirm, intent } = attempt;
  const part = await repository.readablePart(intent.operationId, backupId, { signal, onSign: alive, confirm });
  try {
    const result = await restore(part);
    await part.remove();
    return result;
  } catch (error) {
    // What is left then is a snapshot of this operation that is no backup: a tidying removes it.
    await part.remove().catch(() => undefined);
    throw error;
  }
}

/** rustic restores with twenty readers of whole packs: 1.6 to 1.8 GB were measured for a backup of 1.5 GB. */
function costOf({ bytes }: BackupRecord): { cpus: number; memoryBytes: number } {
  return { cpus: 1, memoryBytes: Math.min(1.8 * 2 ** 30, 256 * 2 ** 20 + 1.2 * bytes) };
}
