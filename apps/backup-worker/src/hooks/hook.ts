import { execa } from 'execa';

export interface HookRun {
  command: readonly string[];
  env: Record<string, string>;
  timeoutMs: number;
  signal: AbortSignal;
}

export interface HookEnd {
  /** Null when it did not end by itself. */
  exitCode: number | null;
  /** The end of what it printed on both outputs, 4 KiB at most. */
  output: string;
  /** For people, where it failed. */
  failure?: string;
}

const KEPT_OUTPUT = 4096;

/** Runs an operator's command, without a shell, and ends it with all that it started when its time is over. */
export async function runHook({ command, env, timeoutMs, signal }: HookRun): Promise<HookEnd> {
  const [program, ...args] = command;
  if (program === undefined) throw new RangeError('A hook needs a program.');
  let output = '';
  const hook = execa(program, args, {
    env,
    all: true,
    buffer: false,
    reject: false,
    timeout: timeoutMs,
    cancelSignal: signal,
    forceKillAfterDelay: 5_000,
    stdin: 'ignore',
  });
  hook.all.on('data', (chunk: Buffer) => (output = (output + chunk.toString('utf8')).slice(-KEPT_OUTPUT)));
  const end = await hook;
  if (end.exitCode === 0) return { exitCode: 0, output };
  const failure = end.timedOut
    ? `It took longer than ${timeoutMs / 1000} s`
    : end.exitCode === undefined
      ? `It could not be run: ${end.code ?? end.signal ?? 'unknown reason'}`
      : `It ended with exit code ${end.exitCode}`;
  return { exitCode: end.exitCode ?? null, output, failure };
}

/** What a hook gets to know of the project. */
export function hookEnvironment(projectId: string, folder: string): Record<string, string> {
  return {
    BUCKETS_PROJECT_ID: projectId,
    BUCKETS_PROJECT_HOME: `${folder}/project`,
    BUCKETS_PROJECT_PERSIST: `${folder}/persist`,
  };
}
