import { ROOTS } from '@buckets/contracts';
import type { LocalProjects } from '../local-projects/local-projects.js';
import { cancelled, type Attempt, type CutOff, type Ending, type Work } from '../operations/operation.js';
import type { ProvisionedRecord, ProvisionedRecords } from '../host-data/index.js';

/** Makes the roots of a new project, or takes those that stand there as its data. */
export class ProvisionWork implements Work<'provision'> {
  constructor(
    private readonly records: ProvisionedRecords,
    private readonly projects: LocalProjects,
  ) {}

  readonly work = async (attempt: Attempt<'provision'>): Promise<Ending> => {
    const { projectId, intent } = attempt;
    const { generation, operationId, adopt = false } = intent;
    const record = await this.provision(projectId, generation, adopt);
    await this.projects.watch(projectId, generation, { running: attempt.grant.running });
    return provisioned(operationId, record);
  };

  readonly cutOff = async ({ projectId, intent, grant }: CutOff<'provision'>): Promise<Ending> => {
    const { operationId, generation } = intent;
    const found = await this.records.inspect(projectId, generation);
    if (found.state !== 'provisioned') return cancelled();
    await this.projects.watch(projectId, generation, { running: grant.running });
    return provisioned(operationId, found.record);
  };

  private async provision(projectId: string, generation: number, adopt: boolean) {
    const { state } = await this.records.inspect(projectId, generation);
    return adopt && state !== 'provisioned'
      ? this.records.adopt(projectId, generation)
      : this.records.createEmpty(projectId, generation);
  }
}

function provisioned(operationId: string, { by, generation }: ProvisionedRecord): Ending {
  const how = by === 'adopted' ? 'adopted' : 'created';
  return { outcome: 'succeeded', provisioned: { operationId, generation, by: how, roots: [...ROOTS] } };
}
