import { stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { ConsistencyMode } from '@buckets/contracts';
import { hookEnvironment, runHook } from '../hooks/hook.js';
import { AttemptFailed } from '../operations/operation.js';
import type { WorkerSettings } from '../settings.js';

/** Where a backup reads, and how consistent what it reads is. */
export interface Source extends AsyncDisposable {
  root: string;
  mode: ConsistencyMode;
}

export type SourceSettings = Pick<WorkerSettings, 'snapshotBefore' | 'snapshotAfter' | 'hookMs'>;

/** The best that the project's state allows, unless the caller insists on something. @throws {AttemptFailed} when it cannot be had */
export function consistencyOf(
  running: boolean,
  canSnapshot: boolean,
  wanted: ConsistencyMode | undefined,
): ConsistencyMode {
  if (wanted === 'live') return 'live';
  if (wanted === 'snapshot' && !canSnapshot) {
    throw new AttemptFailed(
      'snapshot-not-configured',
      'This host has no command for snapshots. Set BUCKETS_SNAPSHOT_BEFORE, or ask for a live backup.',
    );
  }
  if (wanted === 'stopped' && running) {
    throw new AttemptFailed('project-is-running', 'The project is running. Stop it first, or ask for a live backup.');
  }
  if (wanted !== undefined) return wanted;
  if (!running) return 'stopped';
  return canSnapshot ? 'snapshot' : 'live';
}

/** Makes the source ready to be read; disposing of it undoes that, whatever became of the backup. */
export async function openSource(
  settings: SourceSettings,
  order: { projectId: string; folder: string; mode: ConsistencyMode; signal: AbortSignal },
): Promise<Source> {
  const { projectId, folder, mode, signal } = order;
  const { snapshotBefore, hookMs } = settings;
  if (mode !== 'snapshot' || snapshotBefore === undefined) {
    return { root: folder, mode, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const env = hookEnvironment(projectId, folder);
  const close = () => closeSnapshot(settings, env);
  const { failure, output } = await runHook({ command: snapshotBefore, env, timeoutMs: hookMs, signal });
  if (failure !== undefined) {
    await close();
    throw new AttemptFailed('snapshot-failed', `The command before a backup has failed. ${failure}. ${output}`.trim());
  }
  const root = output.trim() === '' ? folder : output.trim().split('\n').at(-1)!;
  if (!(await holdsBothRoots(root))) {
    await close();
    throw new AttemptFailed(
      'snapshot-failed',
      'The command before a backup printed something else than a folder with project/ and persist/ in it.',
    );
  }
  return { root, mode, [Symbol.asyncDispose]: close };
}

async function closeSnapshot({ snapshotAfter, hookMs }: SourceSettings, env: Record<string, string>): Promise<void> {
  if (snapshotAfter === undefined) return;
  // Not with the attempt's signal: a frozen project has to be thawed, above all when the backup was cut off.
  const { failure } = await runHook({
    command: snapshotAfter,
    env,
    timeoutMs: hookMs,
    signal: new AbortController().signal,
  });
  if (failure !== undefined) {
    throw new AttemptFailed('snapshot-not-removed', `The command after a backup has failed. ${failure}.`);
  }
}

async function holdsBothRoots(root: string): Promise<boolean> {
  if (!isAbsolute(root)) return false;
  const folders = await Promise.allSettled(['project', 'persist'].map((name) => stat(join(root, name))));
  return folders.every((found) => found.status === 'fulfilled' && found.value.isDirectory());
}
