import { hookEnvironment, runHook } from '../hooks/hook.js';
import type { LocalProjects } from '../local-projects/local-projects.js';
import type { Attempt, Ending } from '../operations/operation.js';
import type { HostFolders } from '../restore/index.js';
import type { WorkerSettings } from '../settings.js';

/** Stops a project by the operator's command. */
export class StopWork {
  constructor(
    private readonly settings: WorkerSettings,
    private readonly folders: HostFolders,
    private readonly projects: LocalProjects,
  ) {}

  readonly work = async ({ projectId, signal, progress }: Attempt<'stop'>): Promise<Ending> => {
    const { stopHook, hookMs } = this.settings;
    if (stopHook !== undefined) {
      progress({ phase: 'hook', bytesDone: 0 });
      const env = hookEnvironment(projectId, this.folders.project(projectId));
      const { failure, exitCode, output } = await runHook({ command: stopHook, env, timeoutMs: hookMs, signal });
      if (failure !== undefined) {
        const reason = `The command that stops the project has failed. ${failure}.`;
        return {
          outcome: 'failed',
          code: 'hook-failed',
          reason,
          result: { hook: { exitCode: exitCode ?? -1, output } },
        };
      }
    }
    this.projects.setRunning(projectId, false);
    return { outcome: 'succeeded', running: false };
  };
}
