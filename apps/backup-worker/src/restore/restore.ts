import type { BackupRecord, RestoreResult } from '@buckets/contracts';
import {
  AttemptFailed,
  cancelled,
  type Attempt,
  type CutOff,
  type Ending,
  type Work,
} from '../operations/operation.js';
import type { LocalProjects } from '../local-projects/local-projects.js';
import type { BackupRestore } from './backup-restore.js';
import { leftBy, whatIsMissing } from './restore-outcome.js';

/** Restores a whole project from the backup that was asked for. */
export class RestoreWork implements Work<'restore'> {
  constructor(
    private readonly backups: BackupRestore,
    private readonly projects: LocalProjects,
  ) {}

  readonly work = async (attempt: Attempt<'restore'>): Promise<Ending> => {
    const { intent, grant } = attempt;
    const record = grant.restore;
    if (record?.backupId !== intent.backupId) {
      throw new AttemptFailed('backup-not-found', 'The backup has been deleted since it was asked for.');
    }
    if (grant.running) {
      throw new AttemptFailed('project-is-running', 'The project was started meanwhile. Stop it and restore again.');
    }
    const restore = await this.backups.restore(attempt, record, 'everything');
    return this.replaced(attempt, restore, record);
  };

  readonly cutOff = async (operation: CutOff<'restore'>): Promise<Ending> => {
    const restore = await this.backups.afterCut(operation);
    if (restore === undefined) return cancelled('Nothing was replaced: the data of the project are those from before.');
    return this.replaced(operation, restore, operation.grant.restore);
  };

  private async replaced(
    { projectId, intent }: Pick<CutOff<'restore'>, 'projectId' | 'intent'>,
    restore: RestoreResult,
    record: BackupRecord | undefined,
  ): Promise<Ending> {
    const { operationId, generation } = intent;
    await this.projects.replaced(projectId, generation, { running: false });
    return {
      outcome: 'succeeded',
      ...whatIsMissing(restore, record ?? { partialBecause: ['unknown-warnings'] }),
      result: { restore },
      ...leftBy(restore),
      provisioned: { operationId, generation, by: 'restored', backupId: restore.backupId, roots: restore.roots },
    };
  }
}
