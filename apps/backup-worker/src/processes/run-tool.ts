import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { errorCode } from '../file-system/paths.js';

export interface ToolLimits {
  /** Milliseconds after which the program is killed. */
  timeoutMs: number;
  signal?: AbortSignal;
  /** Open files that the program gets as its descriptors 3, 4, …: it need not find them by name. */
  files?: readonly number[];
}

/** Thrown when a program that the worker relies on is missing, failed or took too long. */
export class ToolFailedError extends Error {
  readonly code = 'tool-failed';

  constructor(
    readonly tool: string,
    why: string,
    /** True when the program is not installed. */
    readonly absent: boolean,
    options?: ErrorOptions,
  ) {
    super(`${tool} ${why}`, options);
    this.name = 'ToolFailedError';
  }
}

/** How much of what a failing program says goes into its error. */
const KEPT_STDERR = 2_000;
const PIPE_ENDED = new Set(['EPIPE', 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED']);

/**
 * Runs a program of the system to its end, without a shell.
 * @param onOutput takes its standard output piece by piece; without it the output is dropped
 * @param input what it reads from its standard input
 * @throws ToolFailedError when it is not installed, exits with anything but 0, or takes too long; the error of `input`
 */
export async function runTool(
  command: string,
  args: readonly string[],
  { timeoutMs, signal, files = [] }: ToolLimits,
  onOutput?: (chunk: Buffer) => void,
  input?: AsyncIterable<string>,
): Promise<void> {
  signal?.throwIfAborted();
  // Not the option `timeout` of spawn: its timer outlives a program that could not be started.
  const deadline = AbortSignal.timeout(timeoutMs);
  const child = spawn(command, args, {
    stdio: [input ? 'pipe' : 'ignore', onOutput ? 'pipe' : 'ignore', 'pipe', ...files],
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    killSignal: 'SIGKILL',
    signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
  });
  let complaint = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    if (complaint.length < KEPT_STDERR) complaint = (complaint + chunk.toString()).slice(0, KEPT_STDERR);
  });
  if (onOutput) child.stdout?.on('data', onOutput);

  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (input && child.stdin) {
    pipeline(Readable.from(input), child.stdin).catch((error: unknown) => {
      // One that does not read to the end tells by how it ends.
      if (PIPE_ENDED.has(errorCode(error) ?? '')) return;
      reject(error as Error);
      child.kill('SIGKILL');
    });
  }
  child.on('error', (error) => {
    // One that runs and was killed ends with `close`; one that never ran may not.
    if (child.pid !== undefined) return;
    const absent = errorCode(error) === 'ENOENT';
    reject(new ToolFailedError(command, absent ? 'is not installed' : 'did not start', absent, { cause: error }));
  });
  child.on('close', (code, killedBy) => {
    if (code === 0) return resolve();
    if (signal?.aborted) return reject(signal.reason as Error);
    if (deadline.aborted) return reject(new ToolFailedError(command, `took longer than ${timeoutMs} ms`, false));
    const end = killedBy ? `was ended by ${killedBy}` : `failed with exit code ${code}`;
    reject(new ToolFailedError(command, `${end}: ${complaint.trim()}`, false));
  });
  return promise;
}
