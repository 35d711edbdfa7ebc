import {
  isRestorable,
  ROOTS,
  type BackupRecord,
  type ProjectProvisioned,
  type RestoreChoices,
  type RestoreResult,
  type Root,
} from '@buckets/contracts';
import { endedEarly, hookEnvironment, type Hooks } from '../hooks/hook.js';
import type { LocalProjects } from '../local-projects/local-projects.js';
import { asFailure, withFacts } from '../operations/failures.js';
import {
  AttemptFailed,
  cancelled,
  type Attempt,
  type CutOff,
  type Ending,
  type Work,
} from '../operations/operation.js';
import { whenNobodyElseUses } from '../operations/waiting.js';
import {
  UnrecordedDataError,
  type HostFolders,
  type Inspection,
  type ProvisionedRecord,
  type ProvisionedRecords,
} from '../host-data/index.js';
import type { BackupRestore } from '../restore/backup-restore.js';
import { leftBy, whatIsMissing } from '../restore/restore-outcome.js';
import type { WorkerSettings } from '../settings.js';

/** How the data of a project that is started came to be there. */
type Data =
  | { here: 'already' }
  | { here: 'restored'; restore: RestoreResult; record: BackupRecord }
  | { here: 'empty'; created: Root[] };

/** Starts a project; where its data are missing, they are brought back before anything runs. */
export class StartWork implements Work<'start'> {
  constructor(
    private readonly settings: WorkerSettings,
    private readonly folders: HostFolders,
    private readonly records: ProvisionedRecords,
    private readonly backups: BackupRestore,
    private readonly projects: LocalProjects,
    private readonly hooks: Hooks,
  ) {}

  readonly work = async (attempt: Attempt<'start'>): Promise<Ending> => {
    const { projectId, grant } = attempt;
    const data = await this.bringData(attempt);
    const about = aboutData(attempt, data);
    if (grant.running && data.here === 'already') return { outcome: 'succeeded', ...about, running: true };
    const { result, provisioned, left } = about;
    const facts = { ...(result && { result }), ...(provisioned && { provisioned }), ...(left && { left }) };
    const hook = await this.runHook(attempt).catch((error: unknown) => {
      throw withFacts(asFailure(error), facts);
    });
    if (hook.failure !== undefined) {
      const reason = `The command that starts the project has failed. ${hook.failure}.`;
      const told = { ...facts, result: { ...result, hook: hook.result } };
      return { outcome: 'failed', code: 'hook-failed', ...told, reason, running: false };
    }
    this.projects.setRunning(projectId, true);
    return { outcome: 'succeeded', ...about, running: true };
  };

  readonly cutOff = async (operation: CutOff<'start'>): Promise<Ending> => {
    const { operationId, generation } = operation.intent;
    const restore = await this.backups.afterCut(operation);
    if (restore === undefined) return cancelled();
    await this.projects.replaced(operation.projectId, generation, { running: operation.grant.running });
    const { roots, backupId } = restore;
    return {
      ...cancelled('The data of the project were missing and have been restored; they stay.'),
      result: { restore },
      provisioned: { operationId, generation, by: 'restored', roots, backupId },
    };
  };

  private async bringData(attempt: Attempt<'start'>): Promise<Data> {
    const { projectId } = attempt;
    const before = await this.records.inspect(projectId, attempt.intent.generation);
    if (before.state === 'provisioned') return this.alreadyHere(attempt, before.record);
    // Nothing else may work on the project while its data are brought back.
    await whenNobodyElseUses(attempt, 'repository');
    return this.replaceMissing(attempt, await this.records.inspect(projectId, attempt.intent.generation));
  }

  /** Data that an earlier attempt of this very start has brought back are told as such. */
  private async alreadyHere(attempt: Attempt<'start'>, record: ProvisionedRecord): Promise<Data> {
    const { intent, grant } = attempt;
    if (record.restore?.operationId !== intent.operationId || grant.restore === undefined) return { here: 'already' };
    const restore = await this.backups.restore(attempt, grant.restore, 'missing');
    return { here: 'restored', restore, record: grant.restore };
  }

  private async replaceMissing(attempt: Attempt<'start'>, found: Inspection): Promise<Data> {
    const { projectId, intent, grant } = attempt;
    if (found.state === 'provisioned') return this.alreadyHere(attempt, found.record);
    if (found.state === 'unrecorded-data') throw new UnrecordedDataError(projectId, found.found);
    const state = { running: grant.running };
    if (grant.restore !== undefined) {
      const restore = await this.backups.restore(attempt, grant.restore, 'missing');
      await this.projects.replaced(projectId, intent.generation, state);
      return { here: 'restored', restore, record: grant.restore };
    }
    if (grant.undecided !== undefined) {
      throw new AttemptFailed('newer-backups-are-flagged', whyUndecided(grant.undecided));
    }
    const allowEmpty = intent.allowEmpty ?? false;
    if (grant.hadData && !allowEmpty) {
      throw new AttemptFailed('data-lost', whyLost(grant.damagedBackups));
    }
    await attempt.confirm();
    await this.records.createEmpty(projectId, intent.generation, { evenIfDataAreLost: allowEmpty });
    await this.projects.replaced(projectId, intent.generation, state);
    return { here: 'empty', created: found.state === 'root-missing' ? found.missing : [...ROOTS] };
  }

  private async runHook({ projectId, signal, limits, progress, alive, confirm }: Attempt<'start'>) {
    const { startHook, hookMs: timeoutMs } = this.settings;
    await confirm();
    if (startHook === undefined) return { failure: undefined, result: { exitCode: 0, output: '' } };
    progress({ phase: 'hook', bytesDone: 0 });
    const env = hookEnvironment(projectId, this.folders.project(projectId));
    const run = { command: startHook, env, timeoutMs, stallMs: limits.stallMs, signal, onSign: alive };
    const end = await this.hooks.run(run);
    const result = { exitCode: end.exitCode ?? -1, output: end.output };
    if (end.stopped !== undefined) {
      const left = [
        'The command that starts the project was ended with all that it had started. What runs elsewhere because of it, ' +
          'such as a container, may run on: stop the project to be sure.',
      ];
      throw endedEarly(end.stopped, end, { result: { hook: result }, running: false, left });
    }
    return { failure: end.failure, result };
  }
}

function aboutData({ intent }: Attempt<'start'>, data: Data): Partial<Ending> {
  const { operationId, generation, backupId: named } = intent;
  const provisioned = (by: ProjectProvisioned['by'], roots: Root[], backupId?: string): ProjectProvisioned => ({
    operationId,
    generation,
    by,
    roots,
    ...(backupId === undefined ? {} : { backupId }),
  });
  if (data.here === 'already') return named === undefined ? {} : { result: { dataWereThere: true } };
  if (data.here === 'empty') {
    return { result: { createdRoots: data.created }, provisioned: provisioned('created', data.created) };
  }
  const { restore, record } = data;
  return {
    ...whatIsMissing(restore, record),
    result: { restore },
    ...leftBy(restore),
    provisioned: provisioned('restored', restore.roots, restore.backupId),
  };
}

/** @param damaged backups, the newest first */
function whyLost([newest]: readonly string[] = []): string {
  const lost = 'The data of the project are not on its host, and there is no backup that can be restored whole. ';
  const elsewhere = 'Or bring them back from elsewhere, or start with allowEmpty for an empty project.';
  if (newest !== undefined) {
    return (
      `${lost}Backups are damaged: something of them is lost in the bucket. The newest of them is ${newest}: restore it by its ` +
      'id (POST /v1/projects/{id}/backups/{backupId}/restore), which brings back all that can be read of it, and says what is ' +
      `missing. ${elsewhere}`
    );
  }
  return `${lost}A restore may name one that is partial. ${elsewhere}`;
}

function whyUndecided({ older, newer: { backupId, partialBecause, damaged } }: RestoreChoices): string {
  const why = damaged
    ? `its newest backup ${backupId} is damaged`
    : isRestorable(partialBecause)
      ? `nobody knows whether ${backupId}, which was found in its bucket after a loss of the log, is its newest backup`
      : `its newest backup ${backupId} is suddenly ${partialBecause.includes('empty') ? 'empty' : 'shrunken'}`;
  return (
    `The data of the project are not on its host, and ${why}. Nothing was restored: start it again with the backupId ` +
    `that the project is to be restored from, of that one or of ${older.backupId}, the last good one.`
  );
}
