import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { runChecks } from './checks.js';
import { CLONE } from './clone.js';
import { summarise, type JestResult } from './test-summary.js';

/** A run that takes longer hangs. */
const RUN_WITHIN_MS = 30 * 60_000;

/**
 * `npm test`: checks the sources and runs the tests beside it: the largest files first, which are those on the real
 * parts, and one more at a time than there are processors, as each of them has a stack of its own and mostly waits. The
 * last line, the only one on stdout, says how many passed and failed. What is given goes to Jest.
 */
async function test(args: readonly string[]): Promise<boolean> {
  const [failedChecks, result] = await Promise.all([runChecks(), jest(args)]);
  const { leftOut, line, ok } = summarise(result);
  for (const name of leftOut) console.error(`Left out: ${name}`);
  if (failedChecks.length > 0) console.error(`Not fine, see above: ${failedChecks.join(', ')}`);
  console.log(line);
  return ok && failedChecks.length === 0;
}

/** Undefined when Jest came to no result. */
async function jest(args: readonly string[]): Promise<JestResult | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'buckets-test-'));
  const outputFile = join(folder, 'result.json');
  const atOnce = availableParallelism() + 1;
  try {
    const program = join(CLONE, 'node_modules', 'jest', 'bin', 'jest.js');
    const nodeArgs = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
    const jestArgs = ['--passWithNoTests', '--json', `--outputFile=${outputFile}`, `--maxWorkers=${atOnce}`];
    const child = spawn(process.execPath, [...nodeArgs, program, ...jestArgs, ...args], {
      cwd: CLONE,
      // Jest's own stdout goes to stderr as well: on stdout there is one line.
      stdio: ['ignore', 2, 2],
      timeout: RUN_WITHIN_MS,
      killSignal: 'SIGKILL',
    });
    const stop = (signal: NodeJS.Signals) => void child.kill(signal);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
    await once(child, 'exit');
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop);
    return JSON.parse(await readFile(outputFile, 'utf8')) as JestResult;
  } catch (error) {
    console.error(`The tests came to no result: ${(error as Error).message}`);
    return undefined;
  } finally {
    await rm(folder, { recursive: true });
  }
}

process.exitCode = (await test(process.argv.slice(2))) ? 0 : 1;
