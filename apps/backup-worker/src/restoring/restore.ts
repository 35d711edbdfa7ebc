import { AttemptFailed, type Attempt, type Ending } from '../operations/operation.js';
import type { LocalProjects } from '../local-projects/local-projects.js';
import { isWhole, whatIsMissing, type Restoring } from './restoring.js';

/** Restores a whole project from the backup that was asked for. */
export class RestoreWork {
  constructor(
    private readonly restoring: Restoring,
    private readonly projects: LocalProjects,
  ) {}

  readonly work = async (attempt: Attempt<'restore'>): Promise<Ending> => {
    const { projectId, intent, grant } = attempt;
    const record = grant.restore;
    if (record?.backupId !== intent.backupId) {
      throw new AttemptFailed('backup-not-found', 'The backup has been deleted since it was asked for.');
    }
    if (grant.running) {
      throw new AttemptFailed('project-is-running', 'The project was started meanwhile. Stop it and restore again.');
    }
    const restore = await this.restoring.restore(attempt, record, 'everything');
    await this.projects.replaced(projectId, intent.generation, { running: false });
    const { operationId, generation } = intent;
    return {
      outcome: isWhole(restore, record) ? 'succeeded' : 'partial',
      ...(isWhole(restore, record) ? {} : { code: 'incomplete-restore', reason: whatIsMissing(restore) }),
      result: { restore },
      provisioned: { operationId, generation, by: 'restored', backupId: restore.backupId, roots: restore.roots },
    };
  };
}
