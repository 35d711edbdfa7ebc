import { ROOTS, type BackupRecord, type ProjectProvisioned, type RestoreResult, type Root } from '@buckets/contracts';
import { hookEnvironment, runHook } from '../hooks/hook.js';
import type { LocalProjects } from '../local-projects/local-projects.js';
import { AttemptFailed, type Attempt, type Ending } from '../operations/operation.js';
import {
  RestoreError,
  UnrecordedDataError,
  type HostFolders,
  type Inspection,
  type ProvisionedRecord,
  type ProvisionedRecords,
} from '../restore/index.js';
import { isWhole, whatIsMissing, type Restoring } from '../restoring/restoring.js';
import type { WorkerSettings } from '../settings.js';

/** How the data of a project that is started came to be there. */
type Data =
  | { here: 'already' }
  | { here: 'restored'; restore: RestoreResult; record: BackupRecord }
  | { here: 'empty'; created: Root[] };

/** Starts a project; where its data are missing, they are brought back before anything runs. */
export class StartWork {
  constructor(
    private readonly settings: WorkerSettings,
    private readonly folders: HostFolders,
    private readonly records: ProvisionedRecords,
    private readonly restoring: Restoring,
    private readonly projects: LocalProjects,
  ) {}

  readonly work = async (attempt: Attempt<'start'>): Promise<Ending> => {
    const { projectId, grant } = attempt;
    const data = await this.bringData(attempt);
    const about = aboutData(attempt, data);
    if (grant.running && data.here === 'already') return { outcome: 'succeeded', running: true };
    await attempt.confirm();
    const hook = await this.runHook(attempt);
    if (hook.failure !== undefined) {
      const reason = `The command that starts the project has failed. ${hook.failure}.`;
      const result = { ...about.result, hook: hook.result };
      return { outcome: 'failed', code: 'hook-failed', ...about, result, reason, running: false };
    }
    this.projects.setRunning(projectId, true);
    return { outcome: 'succeeded', ...about, running: true };
  };

  private async bringData(attempt: Attempt<'start'>): Promise<Data> {
    const { projectId } = attempt;
    const before = await this.records.inspect(projectId);
    if (before.state === 'provisioned') return this.alreadyHere(attempt, before.record);
    // Nothing else may work on the project while its data are brought back.
    await attempt.turn.widen('repository');
    try {
      return await this.replaceMissing(attempt, await this.records.inspect(projectId));
    } catch (error) {
      if (error instanceof RestoreError) throw new AttemptFailed(error.code, error.message);
      throw error;
    }
  }

  /** Data that an earlier attempt of this very start has brought back are told as such. */
  private async alreadyHere(attempt: Attempt<'start'>, record: ProvisionedRecord): Promise<Data> {
    const { intent, grant } = attempt;
    if (record.restore?.operationId !== intent.operationId || grant.restore === undefined) return { here: 'already' };
    const restore = await this.restoring.restore(attempt, grant.restore, 'missing');
    return { here: 'restored', restore, record: grant.restore };
  }

  private async replaceMissing(attempt: Attempt<'start'>, found: Inspection): Promise<Data> {
    const { projectId, intent, grant } = attempt;
    if (found.state === 'provisioned') return this.alreadyHere(attempt, found.record);
    if (found.state === 'unrecorded-data') throw new UnrecordedDataError(projectId, found.found);
    const state = { running: grant.running };
    if (grant.restore !== undefined) {
      const restore = await this.restoring.restore(attempt, grant.restore, 'missing');
      await this.projects.replaced(projectId, intent.generation, state);
      return { here: 'restored', restore, record: grant.restore };
    }
    const allowEmpty = intent.allowEmpty ?? false;
    if (grant.hadData && !allowEmpty) {
      throw new AttemptFailed(
        'data-lost',
        'The data of the project are not on its host, and there is no backup that can be restored. ' +
          'Bring them back from elsewhere, name a partial backup in a restore, or start with allowEmpty for an empty project.',
      );
    }
    await attempt.confirm();
    await this.records.createEmpty(projectId, intent.generation, { evenIfDataAreLost: allowEmpty });
    await this.projects.replaced(projectId, intent.generation, state);
    return { here: 'empty', created: found.state === 'root-missing' ? found.missing : [...ROOTS] };
  }

  private async runHook({ projectId, signal, progress }: Attempt<'start'>) {
    const { startHook, hookMs } = this.settings;
    if (startHook === undefined) return { failure: undefined, result: { exitCode: 0, output: '' } };
    progress({ phase: 'hook', bytesDone: 0 });
    const env = hookEnvironment(projectId, this.folders.project(projectId));
    const { failure, exitCode, output } = await runHook({ command: startHook, env, timeoutMs: hookMs, signal });
    return { failure, result: { exitCode: exitCode ?? -1, output } };
  }
}

function aboutData({ intent }: Attempt<'start'>, data: Data): Partial<Ending> {
  const { operationId, generation } = intent;
  const provisioned = (by: ProjectProvisioned['by'], roots: Root[], backupId?: string): ProjectProvisioned => ({
    operationId,
    generation,
    by,
    roots,
    ...(backupId === undefined ? {} : { backupId }),
  });
  if (data.here === 'already') return {};
  if (data.here === 'empty') {
    return { result: { createdRoots: data.created }, provisioned: provisioned('created', data.created) };
  }
  const { restore, record } = data;
  const whole = isWhole(restore, record);
  return {
    ...(whole ? {} : { outcome: 'partial', code: 'incomplete-restore', reason: whatIsMissing(restore) }),
    result: { restore },
    provisioned: provisioned('restored', restore.roots, restore.backupId),
  };
}
