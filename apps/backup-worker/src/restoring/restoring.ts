import type { BackupRecord, FileProblems, Phase, RestoreResult as RestoreResultData } from '@buckets/contracts';
import type { ReadablePart } from '@buckets/repository';
import { asFailure } from '../operations/failures.js';
import type { Attempt, CutOff } from '../operations/operation.js';
import { whenThereIsRoom } from '../operations/waiting.js';
import type { Budget } from '../queue/budget.js';
import { ProjectRepository } from '../repository/project-repository.js';
import {
  SwitchStuckError,
  type ProjectRestore,
  type RestorableBackup,
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
      const restore = async (part?: ReadablePart): Promise<RestoreResultData> => {
        const backup = await restorableBackup(attempt, record, repository, this.rustic, part);
        return resultOf(await this.projectRestore.restore(this.orderFor(attempt, backup, what, record.bytes)), record);
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
  async afterCut({ projectId, intent, grant }: CutOff): Promise<RestoreResultData | undefined> {
    const came = await this.projectRestore.afterCut(projectId, intent.operationId, intent.generation);
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
  restore: (part: ReadablePart) => Promise<RestoreResultData>,
): Promise<RestoreResultData> {
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

/** What a restore leaves behind for people to look at; a sentence, if any, without names of files. */
export function leftBy(restore: RestoreResultData): { left?: string[] } {
  return keptIn(restore) === 0 ? {} : { left: [KEPT_ASIDE] };
}

const KEPT_ASIDE =
  'What stood in the place of the data is nothing that this assignment accounts for. It is kept aside on the host, in ' +
  '.buckets/kept/ of its data root: the problems in the result name the place. Remove it when it is of no use.';

/** A swap names first what it has found in its way. */
function keptIn({ problems }: RestoreResultData): number {
  return problems.first.filter(({ reason }) => reason.startsWith('kept: ')).length;
}

/** What a restore came to that brought something else back than all as it was; nothing of one that is whole. */
export function whatIsMissing(
  restore: RestoreResultData,
  { partialBecause }: Pick<BackupRecord, 'partialBecause'>,
): { outcome: 'partial'; code: string; reason: string } | undefined {
  const { problems, lacks } = restore;
  // What was put aside was not to be brought back.
  const others = problems.total - keptIn(restore);
  const isLost = problems.first.some(({ reason }) => reason.startsWith('lost: '));
  const sentences = [
    others > 0 && isLost
      ? `The backup is damaged: ${others} entries could not be brought back, or not as they were; all else is there. ` +
        'The problems in the result name the first of them.'
      : '',
    others > 0 && !isLost ? `${others} entries could not be restored just as they were.` : '',
    lacks.total > 0 ? `The backup itself lacks ${lacks.total} files that could not be read when it was made.` : '',
  ].filter(Boolean);
  if (sentences.length > 0) return { outcome: 'partial', code: 'incomplete-restore', reason: sentences.join(' ') };
  if (partialBecause.length === 0) return undefined;
  if (partialBecause.every((because) => because === 'unwitnessed')) {
    return { outcome: 'partial', code: 'unwitnessed', reason: UNWITNESSED };
  }
  return { outcome: 'partial', code: 'incomplete-restore', reason: 'The backup is partial: it may lack files.' };
}

const UNWITNESSED =
  'All that the backup holds was brought back. Whether that is all there was, nobody knows: which files could not be read ' +
  'when it was made was never told, or was lost with the log.';
