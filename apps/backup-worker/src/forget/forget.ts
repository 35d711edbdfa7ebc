import { AttemptFailed, type Attempt, type Ending } from '../operations/operation.js';
import { rusticProgress } from '../operations/rustic-progress.js';
import { ProjectRepository } from '../repository/project-repository.js';
import { RusticFailure, RusticStopped, type Rustic } from '../rustic/index.js';
import type { WorkerSettings } from '../settings.js';

/** Deletes one backup. The data that no other backup needs go with a later prune. */
export class ForgetWork {
  constructor(
    private readonly settings: WorkerSettings,
    private readonly rustic: Rustic,
  ) {}

  readonly work = async (attempt: Attempt<'forget'>): Promise<Ending> => {
    await using repository = new ProjectRepository(attempt.grant, this.rustic);
    const { backupId } = attempt.intent;
    const opened = await repository.open();
    const there = await opened.findSnapshots(({ id }) => id === backupId);
    if (there.length === 0) return { outcome: 'succeeded', result: { backupId } };
    await attempt.confirm();
    const { stallMs, attemptMs: deadlineMs } = this.settings;
    const call = { stallMs, deadlineMs, signal: attempt.signal, onProgress: rusticProgress(attempt) };
    await this.rustic.forget(repository.access, [backupId], call).catch((error: unknown) => {
      if (error instanceof RusticFailure) {
        throw new AttemptFailed(error.failure.class, error.failure.reason, { retry: error.failure.canPass });
      }
      if (error instanceof RusticStopped) throw new AttemptFailed(error.code, error.message, { retry: true });
      throw error;
    });
    return { outcome: 'succeeded', result: { backupId } };
  };
}
