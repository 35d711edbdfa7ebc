import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { CLONE } from './clone.js';

export interface JestRun {
  readonly args: readonly string[];
  readonly env?: Record<string, string>;
  /** Milliseconds after which it hangs, and is ended; default never. */
  readonly withinMs?: number;
}

/** Runs Jest on this clone. It says all on stderr; stdout is the task's own. @returns its exit code */
export async function runJest({ args, env, withinMs }: JestRun): Promise<number> {
  const program = join(CLONE, 'node_modules', 'jest', 'bin', 'jest.js');
  const nodeArgs = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const child = spawn(process.execPath, [...nodeArgs, program, ...args], {
    cwd: CLONE,
    env: { ...process.env, ...env },
    stdio: ['ignore', 2, 2],
    ...(withinMs === undefined ? {} : { timeout: withinMs, killSignal: 'SIGKILL' }),
  });
  const stop = (signal: NodeJS.Signals) => void child.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    return code ?? 1;
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop);
  }
}
