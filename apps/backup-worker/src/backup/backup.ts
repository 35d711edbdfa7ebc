import type { BackupRecord, ChangeCounter, ConsistencyMode, FileProblems } from '@buckets/contracts';
import type { Snapshot } from '@buckets/repository';
import type { ChangeTracker } from '../changes/index.js';
import type { ControlPlane } from '../control-plane/control-plane.js';
import { failureOf } from '../operations/failures.js';
import {
  AttemptFailed,
  cancelled,
  type Attempt,
  type CutOff,
  type Ending,
  type Work,
} from '../operations/operation.js';
import { rusticCall } from '../operations/rustic-call.js';
import { unlessAborted, whenThereIsRoom } from '../operations/waiting.js';
import type { Hooks } from '../hooks/hook.js';
import type { Budget } from '../queue/budget.js';
import { operationTag, ProjectRepository } from '../repository/project-repository.js';
import { readDescription, writeDescription } from '../repository/snapshot-description.js';
import type { HostFolders, ProvisionedRecords } from '../restore/index.js';
import type { BackupMade, BackupOutcome, BackupPartial, Rustic } from '../rustic/index.js';
import type { WorkerSettings } from '../settings.js';
import { suspiciousLoss } from './shrinkage.js';
import { consistencyOf, openSource } from './source.js';

/** What a rustic that backs up is expected to take; measured with 1.5 GB of random data at 1.6 GB, as a rule far less. */
const COST = { cpus: 1, memoryBytes: 512 * 2 ** 20 };
const ASK_DEADLINE_MS = 30_000;

/** Makes a backup: one snapshot in layout v2, from what stands on this host and nothing else. */
export class BackupWork implements Work<'backup'> {
  constructor(
    private readonly hostId: string,
    private readonly settings: WorkerSettings,
    private readonly folders: HostFolders,
    private readonly records: ProvisionedRecords,
    private readonly changes: ChangeTracker,
    private readonly rustic: Rustic,
    private readonly controlPlane: ControlPlane,
    private readonly budget: Budget,
    private readonly hooks: Hooks,
  ) {}

  readonly work = async (attempt: Attempt<'backup'>): Promise<Ending> => {
    await using repository = new ProjectRepository(attempt.grant, this.rustic);
    const { signal, intent } = attempt;
    const { operationId } = intent;
    const made = attempt.grant.attempt > 1 && attempt.grant.repository.configId !== undefined;
    const earlier = made ? await unlessAborted(signal, repository.madeBy(operationId)) : undefined;
    if (earlier !== undefined) return this.claimEarlier(attempt, earlier);
    await this.mustBeProvisioned(attempt.projectId);
    if (made) await repository.keepUploads(signal);
    return whenThereIsRoom(attempt, this.budget, COST, () => this.make(attempt, repository));
  };

  readonly cutOff = async ({ grant }: CutOff<'backup'>): Promise<Ending> => {
    await using repository = new ProjectRepository(grant, this.rustic);
    const kept = await repository.keepUploads().catch((error: unknown) => {
      // It was cancelled before there was one.
      if (error instanceof AttemptFailed && error.code === 'repository-missing') return { packs: 0, bytes: 0 };
      throw error;
    });
    const size = `${(kept.bytes / 1e6).toFixed(1)} MB`;
    return cancelled(
      ...(kept.packs > 0 ? [`${size} that were uploaded stay in the repository: the next backup reuses them.`] : []),
      'Should a snapshot have been made in the last moment, it counts as no backup and is removed later.',
    );
  };

  private async make(attempt: Attempt<'backup'>, repository: ProjectRepository): Promise<Ending> {
    const { projectId, intent, grant, signal } = attempt;
    const canSnapshot = this.settings.snapshotBefore !== undefined;
    const mode = consistencyOf(grant.running, canSnapshot, intent.consistency);
    const beganAt = new Date().toISOString();
    // The counter first: a change between it and a snapshot is in the backup and counted as not covered, never the
    // other way round.
    const begins = unlessAborted(signal, this.changes.beginBackup(projectId));
    const [begun] = await Promise.all([begins, this.prepareRepository(attempt, repository)]);
    await using source = await openSource(this.settings, this.hooks, {
      projectId,
      folder: this.folders.project(projectId),
      mode,
      attempt,
    });
    const outcome = await this.rustic.backup(
      repository.access,
      {
        root: source.root,
        projectId,
        tags: [operationTag(intent.operationId), 'kind:backup'],
        description: this.description(attempt, beganAt, begun.counter, mode),
        ...(grant.newestBackup === undefined ? {} : { parent: grant.newestBackup.backupId }),
        command: 'buckets backup',
      },
      rusticCall(attempt),
    );
    const { moved } = await begun.release();
    const succeeded = succeededOrThrow(outcome);
    // From here on there is a backup, and a cancel comes too late.
    const { bytes, files } = recordOf(succeeded, outcome);
    attempt.progress({ phase: 'finishing', bytesDone: bytes, bytesTotal: bytes, filesDone: files, filesTotal: files });
    await this.mustBeThere(repository, succeeded.snapshotId, attempt);
    const record: BackupRecord = {
      ...recordOf(succeeded, outcome),
      operationId: intent.operationId,
      beganAt,
      endedAt: new Date().toISOString(),
      counter: begun.counter,
      consistency: { mode, movedWhileReading: moved },
      ...(grant.newestBackup === undefined ? {} : { parentId: grant.newestBackup.backupId }),
    };
    return endingOf({
      ...record,
      partialBecause: [...record.partialBecause, ...suspiciousLoss(record, grant.newestBackup)],
    });
  }

  private async prepareRepository(attempt: Attempt<'backup'>, repository: ProjectRepository): Promise<void> {
    const { projectId, intent, grant, attemptId, signal } = attempt;
    if (grant.repository.configId !== undefined) {
      await unlessAborted(signal, repository.open());
      return;
    }
    attempt.progress({ phase: 'initialising', bytesDone: 0 });
    await attempt.confirm();
    const configId = await repository.initialise(rusticCall(attempt));
    const { generation, operationId } = intent;
    const answer = await this.controlPlane.ask(
      'repository-initialised',
      { projectId, generation, operationId, attemptId, configId },
      { deadlineMs: ASK_DEADLINE_MS, signal },
    );
    if (answer.configId === configId) return;
    throw new AttemptFailed('repository-mismatch', 'Another repository was recorded for this project meanwhile.');
  }

  /** A folder that is not there must never become an empty backup. */
  private async mustBeProvisioned(projectId: string): Promise<void> {
    const { state } = await this.records.inspect(projectId);
    if (state === 'provisioned') return;
    throw new AttemptFailed(
      'project-folder-missing',
      state === 'unrecorded-data'
        ? 'What stands in the folders of the project is not what this host has put there. Nothing was backed up.'
        : 'The folders of the project are not on its host. Nothing was backed up: start the project to restore them.',
    );
  }

  /** rustic says that it made a snapshot; it counts once it is in the repository. */
  private async mustBeThere(repository: ProjectRepository, snapshotId: string, attempt: Attempt): Promise<void> {
    const snapshot = await (await repository.open()).snapshot(snapshotId);
    readDescription(snapshot, attempt.projectId);
  }

  /** An earlier attempt got as far as the snapshot: it is claimed, not made again. */
  private claimEarlier(attempt: Attempt<'backup'>, snapshot: Snapshot): Ending {
    const { beganAt, counter, consistency } = readDescription(snapshot, attempt.projectId);
    const count = (name: string): number => Number(snapshot.summary?.[name] ?? 0);
    const text = (name: string): string => String(snapshot.summary?.[name] ?? snapshot.time);
    const record: BackupRecord = {
      backupId: snapshot.id,
      operationId: attempt.intent.operationId,
      beganAt,
      endedAt: new Date(text('backup_end')).toISOString(),
      counter,
      consistency: { mode: consistency, movedWhileReading: true },
      // Nobody has seen what the attempt that was cut off had to say of its files.
      partialBecause: ['unwitnessed'],
      unreadable: { total: 0, first: [] },
      files: count('total_files_processed'),
      folders: count('total_dirs_processed'),
      bytes: count('total_bytes_processed'),
      bytesAdded: count('data_added'),
      bytesStored: count('data_added_packed'),
      filesNew: count('files_new'),
      filesChanged: count('files_changed'),
      ...(snapshot.parent === undefined ? {} : { parentId: snapshot.parent }),
    };
    const { partialBecause } = record;
    return endingOf({
      ...record,
      partialBecause: [...partialBecause, ...suspiciousLoss(record, attempt.grant.newestBackup)],
    });
  }

  private description(
    attempt: Attempt<'backup'>,
    beganAt: string,
    counter: ChangeCounter,
    consistency: ConsistencyMode,
  ): string {
    const { projectId: project, intent } = attempt;
    const { generation, operationId: operation } = intent;
    return writeDescription({ project, host: this.hostId, generation, operation, beganAt, counter, consistency });
  }
}

function succeededOrThrow(outcome: BackupOutcome): BackupMade {
  switch (outcome.outcome) {
    case 'succeeded':
    case 'partial':
      return outcome;
    default:
      throw failureOf(outcome);
  }
}

function recordOf(
  { snapshotId, summary }: BackupMade,
  outcome: BackupOutcome,
): Omit<BackupRecord, 'operationId' | 'beganAt' | 'endedAt' | 'counter' | 'consistency'> {
  const partial = outcome.outcome === 'partial';
  return {
    backupId: snapshotId,
    partialBecause: partial ? ['unreadable-files'] : [],
    unreadable: partial ? unreadableOf(outcome) : { total: 0, first: [] },
    files: summary.filesNew + summary.filesChanged + summary.filesUnmodified,
    folders: summary.foldersNew + summary.foldersChanged + summary.foldersUnmodified,
    bytes: summary.bytesProcessed,
    bytesAdded: summary.bytesAdded,
    bytesStored: summary.bytesAddedPacked,
    filesNew: summary.filesNew,
    filesChanged: summary.filesChanged,
  };
}

function unreadableOf({ unreadable, warnings }: BackupPartial): FileProblems {
  return {
    total: unreadable.total + warnings.total,
    first: [
      ...unreadable.first.map(({ path, reason }) => ({ path, reason })),
      ...warnings.first.map((warning) => ({ path: '', reason: warning })),
    ].slice(0, 100),
  };
}

function endingOf(backup: BackupRecord): Ending {
  const result = { backupId: backup.backupId };
  if (backup.partialBecause.length === 0) return { outcome: 'succeeded', result, backup };
  return { outcome: 'partial', code: backup.partialBecause[0]!, reason: whyPartial(backup), result, backup };
}

function whyPartial({ partialBecause, unreadable }: BackupRecord): string {
  const sentences: Record<BackupRecord['partialBecause'][number], string> = {
    'unreadable-files': `${unreadable.total || 'Some'} files could not be read and are not in the backup.`,
    unwitnessed:
      'The worker that made the backup ended before it could say whether every file was read: some may be missing.',
    empty:
      'The project holds no file, although the backup before held some. Look whether its data are there; accept the backup if it is meant to be empty.',
    shrunken:
      'The project holds less than a tenth of what the backup before held. Look whether its data are there; accept the backup if it is meant to be so small.',
  };
  return partialBecause.map((because) => sentences[because]).join(' ');
}
