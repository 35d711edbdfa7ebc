import { endedEarly, hookEnvironment, type Hooks } from '../hooks/hook.js';
import type { LocalProjects } from '../local-projects/local-projects.js';
import { cancelled, type Attempt, type Ending, type Work } from '../operations/operation.js';
import type { HostFolders } from '../host-data/index.js';
import type { WorkerSettings } from '../settings.js';

/** Stops a project by the operator's command. */
export class StopWork implements Work<'stop'> {
  constructor(
    private readonly settings: WorkerSettings,
    private readonly folders: HostFolders,
    private readonly projects: LocalProjects,
    private readonly hooks: Hooks,
  ) {}

  readonly work = async (attempt: Attempt<'stop'>): Promise<Ending> => {
    const { projectId, signal, limits, alive } = attempt;
    const { stopHook, hookMs: timeoutMs } = this.settings;
    if (stopHook !== undefined) {
      // A stop that was overtaken must not end what was started since.
      await attempt.confirm();
      attempt.progress({ phase: 'hook', bytesDone: 0 });
      const env = hookEnvironment(projectId, this.folders.project(projectId));
      const run = { command: stopHook, env, timeoutMs, stallMs: limits.stallMs, signal, onSign: alive };
      const end = await this.hooks.run(run);
      const result = { hook: { exitCode: end.exitCode ?? -1, output: end.output } };
      if (end.stopped !== undefined) {
        const left = [
          'The command that stops the project was ended before it was done: the project counts as running.',
        ];
        throw endedEarly(end.stopped, end, { result, left });
      }
      if (end.failure !== undefined) {
        const reason = `The command that stops the project has failed. ${end.failure}.`;
        return { outcome: 'failed', code: 'hook-failed', reason, result };
      }
    }
    this.projects.setRunning(projectId, false);
    return { outcome: 'succeeded', running: false };
  };

  readonly cutOff = (): Promise<Ending> => Promise.resolve(cancelled());
}
