import { cancelled, type Attempt, type CutOff, type Ending, type Work } from '../operations/operation.js';
import { rusticCall } from '../operations/rustic-call.js';
import { unlessAborted } from '../operations/waiting.js';
import { ProjectRepository } from '../repository/project-repository.js';
import type { Rustic } from '../rustic/index.js';

/** Deletes one backup. The data that no other backup needs go with a later prune. */
export class ForgetWork implements Work<'forget'> {
  constructor(private readonly rustic: Rustic) {}

  readonly work = async (attempt: Attempt<'forget'>): Promise<Ending> => {
    await using repository = new ProjectRepository(attempt.grant, this.rustic);
    const { backupId } = attempt.intent;
    if (await unlessAborted(attempt.signal, isThere(repository, backupId))) {
      await attempt.confirm();
      // A backup that is half deleted, and listed all the same, is nothing to leave behind.
      await this.rustic.forget(repository.access, [backupId], rusticCall(attempt, attempt.signalOfNoReturn));
    }
    return { outcome: 'succeeded', result: { backupId } };
  };

  readonly cutOff = async ({ grant, intent }: CutOff<'forget'>): Promise<Ending> => {
    await using repository = new ProjectRepository(grant, this.rustic);
    const { backupId } = intent;
    if (!(await isThere(repository, backupId))) return { outcome: 'succeeded', result: { backupId } };
    return cancelled('The backup is still there.');
  };
}

async function isThere(repository: ProjectRepository, backupId: string): Promise<boolean> {
  const opened = await repository.open();
  return (await opened.findSnapshots(({ id }) => id === backupId)).length > 0;
}
