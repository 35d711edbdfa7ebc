import type { BackupRecord, FileProblems, Phase, RestoreResult as RestoreResultData } from '@buckets/contracts';
import { asFailure } from '../operations/failures.js';
import type { Attempt, CutOff } from '../operations/operation.js';
import { whenThereIsRoom } from '../operations/waiting.js';
import type { Budget } from '../queue/budget.js';
import { ProjectRepository } from '../repository/project-repository.js';
import {
  SwitchStuckError,
  type ProjectRestore,
  type RestoreOrder,
  type RestorePhase,
  type RestoreResult,
} from '../restore/index.js';
import type { Rustic } from '../rustic/index.js';
import type { DamageWatch } from '../verify/damage-watch.js';
import { restorableBackup } from './restorable-backup.js';
import { signsOfDisk } from './signs-of-disk.js';

const PHASES: Record<RestorePhase, Phase> = {
  preparing: 'preparing',
  restoring: 'restoring',
  checking: 'verifying',
  swapping: 'switching',
};

/** Brings a backup back into its project, for a restore that was asked for and for a start whose data are missing. */
export class Restoring {
  constructor(
    private readonly projectRestore: ProjectRestore,
    private readonly rustic: Rustic,
    private readonly budget: Budget,
    private readonly damage: Pick<DamageWatch, 'mend'>,
  ) {}

  async restore(attempt: Attempt, record: BackupRecord, what: RestoreOrder['what']): Promise<RestoreResultData> {
    return whenThereIsRoom(attempt, this.budget, costOf(record), async () => {
      await this.damage.mend(attempt, { onlyKnown: true });
      await using repository = new ProjectRepository(attempt.grant, this.rustic);
      using _signs = signsOfDisk(attempt.alive);
      const { projectId, signal, intent } = attempt;
      const result = await this.projectRestore.restore({
        operationId: intent.operationId,
        projectId,
        generation: intent.generation,
        backup: await restorableBackup(attempt, record, repository, this.rustic),
        what,
        confirm: async () => {
          await attempt.confirm();
          return true;
        },
        onPhase: (phase) => attempt.progress({ phase: PHASES[phase], bytesDone: 0, bytesTotal: record.bytes }),
        signal,
      });
      return resultOf(result, record);
    });
  }

  /**
   * Removes what a cancelled restore has staged, and looks whether it is in place all the same.
   *
   * @returns its result in that case
   * @throws {AttemptFailed} `switch-stuck` when it is half in place
   */
  async afterCut({ projectId, intent, grant }: CutOff): Promise<RestoreResultData | undefined> {
    const came = await this.projectRestore.afterCut(projectId, intent.operationId, intent.generation);
    if (came.state === 'half') throw asFailure(new SwitchStuckError(projectId, 'it was cut off by a crash'));
    return came.state === 'done' ? resultOf(came.result, grant.restore) : undefined;
  }
}

/** rustic restores with twenty readers of whole packs: 1.6 to 1.8 GB were measured for a backup of 1.5 GB. */
function costOf({ bytes }: BackupRecord): { cpus: number; memoryBytes: number } {
  return { cpus: 1, memoryBytes: Math.min(1.8 * 2 ** 30, 256 * 2 ** 20 + 1.2 * bytes) };
}

function resultOf(result: RestoreResult, record: BackupRecord | undefined): RestoreResultData {
  const problems: FileProblems = {
    total: result.problemCount,
    first: result.problems.map(({ path, kind, detail }) => ({ path, reason: `${kind}: ${detail}` })),
  };
  return {
    backupId: result.backupId,
    backupBeganAt: record?.beganAt ?? new Date(0).toISOString(),
    roots: result.roots,
    files: result.entries - (result.folders ?? 0),
    ...(result.folders === undefined ? {} : { folders: result.folders }),
    bytes: result.bytes,
    problems,
    // Sealed when the backup was recorded; the list is found at the backup.
    lacks: { total: record?.unreadable.total ?? 0, first: [] },
  };
}

/** Whether a restore brought everything back as it was. */
export function isWhole({ problems, lacks }: RestoreResultData, record: BackupRecord): boolean {
  return problems.total === 0 && lacks.total === 0 && record.partialBecause.length === 0;
}

/** For people, of a restore that is not whole. */
export function whatIsMissing({ problems, lacks }: RestoreResultData): string {
  // A swap names first what it has found in its way.
  const kept = problems.first.filter(({ reason }) => reason.startsWith('kept: ')).length;
  const others = problems.total - kept;
  const sentences = [
    others > 0 ? `${others} entries could not be restored just as they were.` : '',
    kept > 0
      ? 'What stood there before is nothing that this assignment accounts for, and is kept aside on the host.'
      : '',
    lacks.total > 0 ? `The backup itself lacks ${lacks.total} files that could not be read when it was made.` : '',
  ].filter(Boolean);
  return sentences.join(' ') || 'The backup is partial: it may lack files.';
}
