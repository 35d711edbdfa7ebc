import { execa, type Options } from 'execa';

/** What one run of a program took. */
export interface Measured {
  /** From start to end. */
  readonly wallMs: number;
  /** In user and kernel mode, of all its threads. */
  readonly processorMs: number;
  /** The most memory that it had resident at once. */
  readonly peakBytes: number;
}

/** Only who waits for a process learns what it used, and Node.js does not tell. */
const WAIT_FOR_IT = `
import json, os, sys, time
began = time.monotonic()
pid = os.fork()
if pid == 0:
    os.dup2(2, 1)
    os.execvp(sys.argv[1], sys.argv[1:])
_, status, used = os.wait4(pid, 0)
wall = time.monotonic() - began
print(json.dumps({'wallMs': wall * 1e3, 'processorMs': (used.ru_utime + used.ru_stime) * 1e3, 'peakBytes': used.ru_maxrss * 1024}))
sys.exit(os.waitstatus_to_exitcode(status) and 1)
`;

/** Runs a program to its end, which has to be a good one. What it prints goes to its errors. */
export async function measuredRun(program: string, args: readonly string[], options: Options): Promise<Measured> {
  const { stdout } = await execa('python3', ['-c', WAIT_FOR_IT, program, ...args], { ...options, stdout: 'pipe' });
  return JSON.parse(stdout as string) as Measured;
}
