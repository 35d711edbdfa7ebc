import { stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { ConsistencyMode } from '@buckets/contracts';
import { endedEarly, hookEnvironment, type Hooks, type HookRun } from '../hooks/hook.js';
import { AttemptFailed, type Attempt } from '../operations/operation.js';
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
  hooks: Hooks,
  order: { projectId: string; folder: string; mode: ConsistencyMode; attempt: Attempt },
): Promise<Source> {
  const { projectId, folder, mode, attempt } = order;
  const { snapshotBefore, hookMs } = settings;
  if (mode !== 'snapshot' || snapshotBefore === undefined) {
    return { root: folder, mode, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const env = hookEnvironment(projectId, folder);
  const close = () => closeSnapshot(settings, hooks, env);
  const { signal, limits, alive: onSign } = attempt;
  const run = { command: snapshotBefore, env, timeoutMs: hookMs, signal, stallMs: limits.stallMs, onSign };
  const end = await hooks.run(run);
  const { failure, output } = end;
  if (failure !== undefined) {
    await close();
    if (end.stopped !== undefined) throw endedEarly(end.stopped, end);
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

async function closeSnapshot(
  { snapshotAfter, hookMs }: SourceSettings,
  hooks: Hooks,
  env: HookRun['env'],
): Promise<void> {
  if (snapshotAfter === undefined) return;
  // Not with the attempt's signal: a frozen project has to be thawed, above all when the backup was cut off.
  const { failure } = await hooks.run({ command: snapshotAfter, env, timeoutMs: hookMs, stallMs: hookMs });
  if (failure !== undefined) {
    const left = [
      "The command after a backup has failed: the project may still be frozen, or its files' snapshot be there.",
    ];
    const message = `The command after a backup has failed. ${failure}.`;
    throw new AttemptFailed('snapshot-not-removed', message, { retry: false, ending: { left } });
  }
}

async function holdsBothRoots(root: string): Promise<boolean> {
  if (!isAbsolute(root)) return false;
  const folders = await Promise.allSettled(['project', 'persist'].map((name) => stat(join(root, name))));
  return folders.every((found) => found.status === 'fulfilled' && found.value.isDirectory());
}
