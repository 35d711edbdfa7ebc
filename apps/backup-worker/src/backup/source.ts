import { stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { ConsistencyMode } from '@buckets/contracts';
import { endedEarly, hookEnvironment, type Hooks, type HookRun } from '../hooks/hook.js';
import { asFailure, joined, withFacts } from '../operations/failures.js';
import { AttemptFailed, type Attempt, type Ending } from '../operations/operation.js';
import type { WorkerSettings } from '../settings.js';

/** Where a backup reads, and how consistent what it reads is. */
export interface Source {
  root: string;
  mode: ConsistencyMode;
}

/** Of what a command printed, as told. */
const MAX_OUTPUT = 4_096;

export interface SourceOrder {
  projectId: string;
  folder: string;
  mode: ConsistencyMode;
  attempt: Attempt;
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

/**
 * Makes the source ready, has it read, and undoes the former, whatever became of the backup. Should that fail, it is told
 * beside what came of the backup, and changes nothing of that.
 *
 * @throws {AttemptFailed} when the source cannot be made ready
 * @throws what `read` throws
 */
export async function readSource(
  settings: SourceSettings,
  hooks: Hooks,
  order: SourceOrder,
  read: (source: Source) => Promise<Ending>,
): Promise<Ending> {
  const { projectId, folder, mode } = order;
  const { snapshotBefore } = settings;
  if (mode !== 'snapshot' || snapshotBefore === undefined) return read({ root: folder, mode });
  const env = hookEnvironment(projectId, folder);
  let ending: Ending;
  try {
    ending = await read({ root: await snapshotOf(order, { command: snapshotBefore, env }, settings, hooks), mode });
  } catch (error) {
    const after = await closeSnapshot(settings, hooks, env);
    throw after === undefined ? error : withFacts(asFailure(error), after);
  }
  return joined((await closeSnapshot(settings, hooks, env)) ?? {}, ending);
}

/** The folder to read. */
async function snapshotOf(
  { folder, attempt }: SourceOrder,
  before: Pick<HookRun, 'command' | 'env'>,
  { hookMs }: SourceSettings,
  hooks: Hooks,
): Promise<string> {
  const { signal, limits, alive: onSign } = attempt;
  const end = await hooks.run({ ...before, timeoutMs: hookMs, signal, stallMs: limits.stallMs, onSign });
  const { failure, output } = end;
  if (failure !== undefined) {
    if (end.stopped !== undefined) throw endedEarly(end.stopped, end);
    throw new AttemptFailed('snapshot-failed', `The command before a backup has failed. ${failure}. ${output}`.trim());
  }
  const root = output.trim() === '' ? folder : output.trim().split('\n').at(-1)!;
  if (await holdsBothRoots(root)) return root;
  throw new AttemptFailed(
    'snapshot-failed',
    'The command before a backup printed something else than a folder with project/ and persist/ in it.',
  );
}

/** What is to be told when it has failed. */
async function closeSnapshot(
  { snapshotAfter, hookMs }: SourceSettings,
  hooks: Hooks,
  env: HookRun['env'],
): Promise<Partial<Ending> | undefined> {
  if (snapshotAfter === undefined) return undefined;
  // Not with the attempt's signal: a frozen project has to be thawed, above all when the backup was cut off.
  const run = hooks.run({ command: snapshotAfter, env, timeoutMs: hookMs, stallMs: hookMs });
  const { failure, exitCode, output } = await run.catch((error: unknown) => ({
    failure: `It could not be run: ${(error as Error).message}`,
    exitCode: null,
    output: '',
  }));
  if (failure === undefined) return undefined;
  return {
    result: {
      afterCommand: { exitCode: exitCode ?? -1, output: `${output.trim()}\n${failure}.`.trim().slice(-MAX_OUTPUT) },
    },
    left: ["The command after a backup has failed: the project may still be frozen, or its files' snapshot be there."],
  };
}

async function holdsBothRoots(root: string): Promise<boolean> {
  if (!isAbsolute(root)) return false;
  const folders = await Promise.allSettled(['project', 'persist'].map((name) => stat(join(root, name))));
  return folders.every((found) => found.status === 'fulfilled' && found.value.isDirectory());
}
