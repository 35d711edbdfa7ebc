import type { BackupRecord, FileProblems, Phase, RestoreResult as RestoreResultData } from '@buckets/contracts';
import { AttemptFailed, type Attempt } from '../operations/operation.js';
import type { Budget } from '../queue/budget.js';
import { ProjectRepository } from '../repository/project-repository.js';
import {
  RestoreError,
  type ProjectRestore,
  type RestoreOrder,
  type RestorePhase,
  type RestoreResult,
} from '../restore/index.js';
import type { Rustic } from '../rustic/index.js';
import type { WorkerSettings } from '../settings.js';
import { restorableBackup } from './restorable-backup.js';

const PHASES: Record<RestorePhase, Phase> = {
  preparing: 'preparing',
  restoring: 'restoring',
  checking: 'verifying',
  swapping: 'switching',
};

/** Brings a backup back into its project, for a restore that was asked for and for a start whose data are missing. */
export class Restoring {
  constructor(
    private readonly settings: WorkerSettings,
    private readonly projectRestore: ProjectRestore,
    private readonly rustic: Rustic,
    private readonly budget: Budget,
  ) {}

  async restore(attempt: Attempt, record: BackupRecord, what: RestoreOrder['what']): Promise<RestoreResultData> {
    return this.budget.spend(costOf(record), async () => {
      attempt.signal.throwIfAborted();
      await using repository = new ProjectRepository(attempt.grant, this.rustic);
      const { projectId, signal, intent } = attempt;
      const result = await this.projectRestore
        .restore({
          operationId: intent.operationId,
          projectId,
          generation: intent.generation,
          backup: await restorableBackup(attempt, record, repository, this.rustic, this.settings),
          what,
          content: false,
          confirm: async () => {
            await attempt.confirm();
            return true;
          },
          onPhase: (phase) => attempt.progress({ phase: PHASES[phase], bytesDone: 0, bytesTotal: record.bytes }),
          signal,
        })
        .catch((error: unknown) => {
          if (!(error instanceof RestoreError)) throw error;
          throw new AttemptFailed(error.code, error.message, { retry: false, cause: error });
        });
      return resultOf(result, record);
    });
  }
}

/** rustic restores with twenty readers of whole packs: 1.6 to 1.8 GB were measured for a backup of 1.5 GB. */
function costOf({ bytes }: BackupRecord): { cpus: number; memoryBytes: number } {
  return { cpus: 1, memoryBytes: Math.min(1.8 * 2 ** 30, 256 * 2 ** 20 + 1.2 * bytes) };
}

function resultOf(result: RestoreResult, record: BackupRecord): RestoreResultData {
  const problems: FileProblems = {
    total: result.problemCount,
    first: result.problems.map(({ path, kind, detail }) => ({ path, reason: `${kind}: ${detail}` })),
  };
  return {
    backupId: result.backupId,
    backupBeganAt: record.beganAt,
    roots: result.roots,
    files: result.entries,
    bytes: result.bytes,
    problems,
    // Sealed when the backup was recorded; the list is found at the backup.
    lacks: { total: record.unreadable.total, first: [] },
  };
}

/** Whether a restore brought everything back as it was. */
export function isWhole({ problems, lacks }: RestoreResultData, record: BackupRecord): boolean {
  return problems.total === 0 && lacks.total === 0 && record.partialBecause.length === 0;
}

/** For people, of a restore that is not whole. */
export function whatIsMissing({ problems, lacks }: RestoreResultData): string {
  const sentences = [
    problems.total > 0 ? `${problems.total} entries could not be restored just as they were.` : '',
    lacks.total > 0 ? `The backup itself lacks ${lacks.total} files that could not be read when it was made.` : '',
  ].filter(Boolean);
  return sentences.join(' ') || 'The backup is partial: it may lack files.';
}
