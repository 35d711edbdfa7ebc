import {
  operationTag,
  suspiciousLoss,
  unwitnessedRecord,
  type BackupRecord,
  type ChangeCounter,
  type ConsistencyMode,
  type RepositoryFindings,
} from '@buckets/contracts';
import { RepositoryCorrupt, SnapshotNotFound, type Repository, type Snapshot } from '@buckets/repository';
import type { BegunBackup, ChangeTracker } from '../changes/index.js';
import type { ControlPlane } from '../control-plane/control-plane.js';
import { asFailure, failureOf, joined } from '../operations/failures.js';
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
import { ProjectRepository } from '../repository/project-repository.js';
import { readDescription, writeDescription } from '../repository/snapshot-description.js';
import { ROOT_NAMES, type HostFolders, type Inspection, type ProvisionedRecords } from '../host-data/index.js';
import type { BackupOutcome, BackupPartial, BackupSucceeded, Rustic } from '../rustic/index.js';
import type { WorkerSettings } from '../settings.js';
import type { DamageWatch, MendedRepository } from '../verify/damage-watch.js';
import { lacksOf, whyPartial } from './lacks.js';
import { prove, type Proof } from './proof.js';
import { consistencyOf, readSource, type Source } from './source.js';

/** What a rustic that backs up is expected to take; measured with 1.5 GB of random data at 1.6 GB, as a rule far less. */
const COST = { cpus: 1, memoryBytes: 512 * 2 ** 20 };
const ASK_DEADLINE_MS = 30_000;

interface Reading {
  source: Source;
  begun: BegunBackup;
  beganAt: string;
  /** What was mended in the repository before. */
  mended: MendedRepository | undefined;
}

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
    private readonly damage: Pick<DamageWatch, 'mend' | 'find' | 'afterMending' | 'healedBy'>,
  ) {}

  readonly work = async (attempt: Attempt<'backup'>): Promise<Ending> => {
    await using repository = new ProjectRepository(attempt.grant, this.rustic);
    const { signal, intent } = attempt;
    const { operationId } = intent;
    const inRoom = <R>(work: () => Promise<R>) => whenThereIsRoom(attempt, this.budget, COST, work);
    const made = attempt.grant.attempt > 1 && attempt.grant.repository.configId !== undefined;
    const { damage } = attempt.grant;
    // A mending may read all of the repository: not for data that are not there.
    if (damage !== undefined && !made) await this.mustBeProvisioned(attempt);
    const mended = damage && (await inRoom(() => this.damage.mend(attempt)));
    const earlier = made ? await unlessAborted(signal, repository.madeBy(operationId)) : undefined;
    if (earlier !== undefined) {
      const claim = () => this.claimEarlier(attempt, earlier, mended);
      return mended === undefined ? claim() : inRoom(claim);
    }
    await this.mustBeProvisioned(attempt);
    if (made) await repository.keepUploads(signal);
    return inRoom(() => this.make(attempt, repository, mended));
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

  private async make(
    attempt: Attempt<'backup'>,
    repository: ProjectRepository,
    mended: MendedRepository | undefined,
  ): Promise<Ending> {
    const { projectId, intent, grant, signal } = attempt;
    const canSnapshot = this.settings.snapshotBefore !== undefined;
    const mode = consistencyOf(grant.running, canSnapshot, intent.consistency);
    const beganAt = new Date().toISOString();
    // The counter first: a change between it and a snapshot is in the backup and counted as not covered, never the
    // other way round.
    const begins = unlessAborted(signal, this.changes.beginBackup(projectId));
    const [begun] = await Promise.all([begins, this.prepareRepository(attempt, repository)]);
    const order = { projectId, folder: this.folders.project(projectId), mode, attempt };
    return readSource(this.settings, this.hooks, order, (source) =>
      this.read(attempt, repository, { source, begun, beganAt, mended }),
    );
  }

  private async read(
    attempt: Attempt<'backup'>,
    repository: ProjectRepository,
    { source: { root, mode }, begun, beganAt, mended }: Reading,
  ): Promise<Ending> {
    const { projectId, intent, grant } = attempt;
    // What was lost is read anew, whatever a parent says of it.
    const parentId = mended === undefined ? grant.newestBackup?.backupId : undefined;
    const outcome = await this.rustic.backup(
      repository.access,
      {
        root,
        projectId,
        tags: [operationTag(intent.operationId), 'kind:backup'],
        description: this.description(attempt, beganAt, begun.counter, mode),
        parent: parentId,
        settledBefore: grant.newestBackup?.settledBefore,
        command: 'buckets backup',
      },
      rusticCall(attempt),
    );
    const { moved, displaced, settledBefore } = await begun.release();
    if (displaced) throw new AttemptFailed('project-folder-missing', WENT_AWAY);
    await this.mustBeProvisioned(attempt);
    const made = madeOrThrow(outcome);
    // From here on there is a backup, and a cancel comes too late.
    const { bytes, files } = recordOf(made);
    attempt.progress({ phase: 'finishing', bytesDone: bytes, bytesTotal: bytes, filesDone: files, filesTotal: files });
    const { damage, ...proof } = await this.prove(repository, made.snapshotId, attempt, mended !== undefined);
    const record: BackupRecord = {
      ...recordOf(made),
      operationId: intent.operationId,
      beganAt,
      endedAt: new Date().toISOString(),
      counter: begun.counter,
      consistency: { mode, movedWhileReading: moved },
      confined: this.rustic.isConfined,
      ...proof,
      ...(parentId === undefined ? {} : { parentId }),
      ...(settledBefore === undefined ? {} : { settledBefore }),
    };
    const ending = endingOf({
      ...record,
      partialBecause: [...record.partialBecause, ...suspiciousLoss(record, grant.newestBackup)],
    });
    return joined(await this.foundBeside(attempt, mended, damage, made.snapshotId), ending);
  }

  /** What a look at the repository says beside a backup that stands, whatever ends the look: a cancel or a limit, too. */
  private async foundBeside(
    attempt: Attempt<'backup'>,
    mended: MendedRepository | undefined,
    damage: RepositoryCorrupt | undefined,
    made: string,
  ): Promise<Partial<Ending>> {
    try {
      const repository = await this.lookBeside(attempt, mended, damage, made);
      return repository === undefined ? {} : { result: { repository } };
    } catch (error) {
      const { code } = asFailure(error);
      return { left: [`What is damaged in the repository could not be looked at (${code}); a verification tells it.`] };
    }
  }

  private async lookBeside(
    attempt: Attempt<'backup'>,
    mended: MendedRepository | undefined,
    damage: RepositoryCorrupt | undefined,
    made: string,
  ): Promise<RepositoryFindings | undefined> {
    if (mended !== undefined) return this.damage.afterMending(attempt, mended, made);
    return damage === undefined ? this.damage.healedBy(attempt, made) : this.damage.find(attempt, damage, made);
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
  private async mustBeProvisioned({ projectId, intent, grant }: Attempt<'backup'>): Promise<void> {
    const { generation } = intent;
    const { state } = await this.records.inspect(projectId, generation);
    if (state !== 'provisioned') throw new AttemptFailed('project-folder-missing', WHY_NOT_PROVISIONED[state]);
    if (this.changes.isTracked(projectId)) return;
    // They were away when the host looked, and are back: no backup waits for the next look.
    const roots = ROOT_NAMES.map((root) => this.folders.root(projectId, root));
    await this.changes.open(projectId, roots, generation, { running: grant.running });
  }

  /** rustic says that it made a snapshot; it counts once it is in the repository, and a restore could bring it back. */
  private async prove(
    repository: ProjectRepository,
    snapshotId: string,
    attempt: Attempt,
    anew: boolean,
  ): Promise<Proof & { damage: RepositoryCorrupt | undefined }> {
    const reader = await repository.open();
    const snapshot = await reader.snapshot(snapshotId);
    readDescription(snapshot, attempt.projectId);
    let damage: RepositoryCorrupt | undefined;
    const onDamage = (error: RepositoryCorrupt): void => void (damage ??= error);
    const known = anew ? undefined : await this.provenTree(reader, attempt, onDamage);
    const proof = await prove(reader, snapshot, { known, onDamage, alive: attempt.alive });
    return { ...proof, damage };
  }

  /** Of the newest backup, if that one was proven. */
  private async provenTree(
    reader: Repository,
    { grant: { newestBackup, damagedBackups } }: Attempt,
    onDamage: (damage: RepositoryCorrupt) => void,
  ): Promise<string | undefined> {
    if (newestBackup?.changedWhileRead === undefined) return undefined;
    if (damagedBackups?.includes(newestBackup.backupId)) return undefined;
    const snapshot = await reader.snapshot(newestBackup.backupId).catch((error: unknown) => {
      if (error instanceof RepositoryCorrupt) onDamage(error);
      else if (!(error instanceof SnapshotNotFound)) throw error;
      return undefined;
    });
    return snapshot?.tree;
  }

  /** An earlier attempt got as far as the snapshot: it is claimed, not made again. */
  private async claimEarlier(
    attempt: Attempt<'backup'>,
    snapshot: Snapshot,
    mended: MendedRepository | undefined,
  ): Promise<Ending> {
    const { operationId } = attempt.intent;
    const record = { ...unwitnessedRecord(snapshot, readDescription(snapshot, attempt.projectId)), operationId };
    const { partialBecause } = record;
    const ending = endingOf({
      ...record,
      partialBecause: [...partialBecause, ...suspiciousLoss(record, attempt.grant.newestBackup)],
    });
    return joined(await this.foundBeside(attempt, mended, undefined, snapshot.id), ending);
  }

  private description(
    attempt: Attempt<'backup'>,
    beganAt: string,
    counter: ChangeCounter,
    consistency: ConsistencyMode,
  ): string {
    const { projectId: project, intent, grant } = attempt;
    const { generation, operationId: operation } = intent;
    const { beganPosition } = grant;
    return writeDescription({
      ...{ project, host: this.hostId, generation, operation, beganAt, counter, consistency },
      ...(beganPosition === undefined ? {} : { beganPosition }),
    });
  }
}

const WENT_AWAY =
  'While the folders of the project were read, something was mounted over them or in them, or they went away: what was ' +
  'read may be something else. It counts as no backup.';
const NOT_ON_HOST =
  'The folders of the project are not on its host. Nothing was backed up: start the project to restore them.';
const WHY_NOT_PROVISIONED: Record<Exclude<Inspection['state'], 'provisioned'>, string> = {
  missing: NOT_ON_HOST,
  'empty-unrecorded': NOT_ON_HOST,
  'root-missing': NOT_ON_HOST,
  'unrecorded-data':
    'What stands in the folders of the project is not what this host has put there. Nothing was backed up.',
  'other-assignment':
    'What stands in the folders of the project came with another assignment of it. Nothing was backed up: start the ' +
    'project to restore what it is to hold.',
};

function madeOrThrow(outcome: BackupOutcome): BackupSucceeded | BackupPartial {
  switch (outcome.outcome) {
    case 'succeeded':
    case 'partial':
      return outcome;
    default:
      throw failureOf(outcome);
  }
}

function recordOf(
  made: BackupSucceeded | BackupPartial,
): Omit<BackupRecord, 'operationId' | 'beganAt' | 'endedAt' | 'counter' | 'consistency'> {
  const { snapshotId, summary } = made;
  return {
    backupId: snapshotId,
    ...lacksOf(made),
    files: summary.filesNew + summary.filesChanged + summary.filesUnmodified,
    folders: summary.foldersNew + summary.foldersChanged + summary.foldersUnmodified,
    bytes: summary.bytesProcessed,
    bytesAdded: summary.bytesAdded,
    bytesStored: summary.bytesAddedPacked,
    filesNew: summary.filesNew,
    filesChanged: summary.filesChanged,
  };
}

function endingOf(backup: BackupRecord): Ending {
  const result = { backupId: backup.backupId };
  if (backup.partialBecause.length === 0) return { outcome: 'succeeded', result, backup };
  return { outcome: 'partial', code: backup.partialBecause[0]!, reason: whyPartial(backup), result, backup };
}
