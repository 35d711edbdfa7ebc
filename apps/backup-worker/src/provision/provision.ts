import { ROOTS } from '@buckets/contracts';
import type { LocalProjects } from '../local-projects/local-projects.js';
import { AttemptFailed, type Attempt, type Ending } from '../operations/operation.js';
import { RestoreError, type ProvisionedRecords } from '../restore/index.js';

/** Makes the roots of a new project, or takes those that stand there as its data. */
export class ProvisionWork {
  constructor(
    private readonly records: ProvisionedRecords,
    private readonly projects: LocalProjects,
  ) {}

  readonly work = async (attempt: Attempt<'provision'>): Promise<Ending> => {
    const { projectId, intent } = attempt;
    const { generation, operationId, adopt = false } = intent;
    const record = await this.provision(projectId, generation, adopt).catch((error: unknown) => {
      if (error instanceof RestoreError) throw new AttemptFailed(error.code, error.message);
      throw error;
    });
    await this.projects.watch(projectId, generation, { running: attempt.grant.running });
    const by = record.by === 'adopted' ? 'adopted' : 'created';
    return { outcome: 'succeeded', provisioned: { operationId, generation, by, roots: [...ROOTS] } };
  };

  private async provision(projectId: string, generation: number, adopt: boolean) {
    const { state } = await this.records.inspect(projectId);
    return adopt && state !== 'provisioned'
      ? this.records.adopt(projectId, generation)
      : this.records.createEmpty(projectId, generation);
  }
}
