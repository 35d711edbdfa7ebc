import { spawn } from 'node:child_process';
import { errorCode } from './disk.js';
import { ToolFailedError } from './errors.js';

export interface ToolLimits {
  /** Milliseconds after which the program is killed. */
  timeoutMs: number;
  signal?: AbortSignal;
}

/** How much of what a failing program says goes into its error. */
const KEPT_STDERR = 2_000;

/**
 * Runs a program of the system to its end, without a shell.
 * @param onOutput takes its standard output piece by piece; without it the output is dropped
 * @throws ToolFailedError when it is not installed, exits with anything but 0, or takes too long
 */
export async function runTool(
  command: string,
  args: readonly string[],
  limits: ToolLimits,
  onOutput?: (chunk: Buffer) => void,
): Promise<void> {
  limits.signal?.throwIfAborted();
  const child = spawn(command, args, {
    stdio: ['ignore', onOutput ? 'pipe' : 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    timeout: limits.timeoutMs,
    killSignal: 'SIGKILL',
    signal: limits.signal,
  });
  let complaint = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    if (complaint.length < KEPT_STDERR) complaint = (complaint + chunk.toString()).slice(0, KEPT_STDERR);
  });
  if (onOutput) child.stdout?.on('data', onOutput);

  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let notStarted: Error | undefined;
  child.on('error', (error) => (notStarted = error));
  child.on('close', (code, signal) => {
    if (limits.signal?.aborted) reject(limits.signal.reason as Error);
    else if (notStarted) {
      const absent = errorCode(notStarted) === 'ENOENT';
      reject(
        new ToolFailedError(command, absent ? 'is not installed' : 'did not start', absent, { cause: notStarted }),
      );
    } else if (code === 0) resolve();
    else {
      const end = signal ? `was ended by ${signal} (limit: ${limits.timeoutMs} ms)` : `failed with exit code ${code}`;
      reject(new ToolFailedError(command, `${end}: ${complaint.trim()}`, false));
    }
  });
  return promise;
}
