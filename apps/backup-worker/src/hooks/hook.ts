import { withLeft } from '../operations/failures.js';
import { AttemptFailed, type Ending } from '../operations/operation.js';
import type { RunFolders } from '../processes/run-folders.js';
import { runProcess, type StopReason } from '../processes/run-process.js';
import { traceOfGroup } from '../processes/system-process.js';

export interface HookRun {
  command: readonly string[];
  env: Record<string, string>;
  timeoutMs: number;
  /** How long it may show no sign of work. */
  stallMs: number;
  signal?: AbortSignal;
  onSign?: () => void;
}

export interface HookEnd {
  /** Null when it did not end by itself. */
  exitCode: number | null;
  /** The end of what it printed on both outputs, 4 KiB at most. */
  output: string;
  /** For people, where it failed. */
  failure?: string;
  /** Why we ended it, unless its own time was over. */
  stopped?: Exclude<StopReason, 'timed-out'>;
  /** A process of it lives on, although it was killed. */
  wouldNotEnd: boolean;
}

const KEPT_OUTPUT = 4096;

/** Runs the operator's commands. Should the worker be killed meanwhile, the next one ends what still runs of them. */
export class Hooks {
  constructor(private readonly folders: RunFolders) {}

  /** Runs a command, without a shell, and ends it with all that it has started when its time is over. */
  async run({ command, env, timeoutMs, stallMs, signal, onSign }: HookRun): Promise<HookEnd> {
    const [file, ...args] = command;
    if (file === undefined) throw new RangeError('A hook needs a program.');
    let output = '';
    const hear = (chunk: Uint8Array) => (output = (output + Buffer.from(chunk).toString('utf8')).slice(-KEPT_OUTPUT));
    const note = await this.folders.open();
    try {
      const ended = await runProcess(
        {
          file,
          args,
          env: { ...(process.env as Record<string, string>), ...env },
          folder: process.cwd(),
          onOutput: hear,
          onErrorOutput: hear,
          onStart: (pid) => note.recordProcess(pid),
          traceOf: traceOfGroup,
        },
        { signal, stallMs, deadlineMs: timeoutMs, onSign },
      );
      note.processWouldNotEnd = ended.leftBehind !== undefined;
      return { ...endOf(ended, timeoutMs), output, wouldNotEnd: note.processWouldNotEnd };
    } finally {
      await note.close();
    }
  }

  /** Ends what an earlier, killed worker left running of commands. */
  reapOrphans(): ReturnType<RunFolders['reap']> {
    return this.folders.reap();
  }
}

type Ended = Awaited<ReturnType<typeof runProcess>>;

function endOf(ended: Ended, timeoutMs: number): Pick<HookEnd, 'exitCode' | 'failure' | 'stopped'> {
  const { exitCode, signal, startError, stopped } = ended;
  if (stopped === 'timed-out') return { exitCode: null, failure: `It took longer than ${timeoutMs / 1000} s` };
  if (stopped !== undefined) return { exitCode: null, failure: `It was ended: ${stopped}`, stopped };
  if (exitCode === 0) return { exitCode };
  if (exitCode !== undefined) return { exitCode, failure: `It ended with exit code ${exitCode}` };
  return { exitCode: null, failure: `It could not be run: ${startError ?? signal ?? 'unknown reason'}` };
}

/** The failure of an attempt whose command was ended before it was done. */
export function endedEarly(
  stopped: NonNullable<HookEnd['stopped']>,
  { wouldNotEnd }: Pick<HookEnd, 'wouldNotEnd'>,
  ending: Partial<Ending> = {},
): AttemptFailed {
  const message = `The command was ended before it was done: ${stopped}.`;
  const failure = new AttemptFailed(stopped, message, { retry: stopped === 'stalled', ending });
  return withLeft(failure, wouldNotEnd ? ['A process of the command would not end, even when killed.'] : []);
}

/** What a hook gets to know of the project. */
export function hookEnvironment(projectId: string, folder: string): Record<string, string> {
  return {
    BUCKETS_PROJECT_ID: projectId,
    BUCKETS_PROJECT_HOME: `${folder}/project`,
    BUCKETS_PROJECT_PERSIST: `${folder}/persist`,
  };
}
