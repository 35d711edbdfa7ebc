import { glob, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { patience as patienceOf } from '@buckets/patience';
import { runChecks } from './checks.js';
import { CLONE } from './clone.js';
import { loadFor, measureMachine } from './machine.js';
import { runJest } from './run-jest.js';
import { summarise, type JestResult } from './test-summary.js';

/** A run that takes longer than this, times the machine's patience, hangs. */
const RUN_WITHIN_MS = 20 * 60_000;

/**
 * `npm test`: the checks of the sources, as they fail fastest, and then the tests, as many files at once as the machine
 * carries. With arguments, which go to Jest, only a part: `npm test -- PATTERN` runs the test files whose path fits.
 * The last line, the only one on stdout, says how many passed and failed; what was left out is said before.
 */
async function test(args: readonly string[]): Promise<boolean> {
  const isPart = args.length > 0;
  const failedChecks = isPart ? [] : await runChecks();
  if (failedChecks.length > 0) {
    console.error(`Not fine, see above: ${failedChecks.join(', ')}. The tests were not run.`);
    console.log(`0 passed, ${failedChecks.length} failed`);
    return false;
  }
  const result = await jest(args);
  const { leftOut, line, ok } = summarise(result);
  for (const name of leftOut) console.error(`Left out: ${name}`);
  if (isPart) {
    const files = await testFiles();
    const ran = result?.testResults.length ?? 0;
    console.error(`Left out, as only ${args.join(' ')} was asked for: ${files - ran} of ${files} test files, and the`);
    console.error('checks of format, lint, imports and types (npm run check).');
  }
  console.log(line);
  return ok;
}

/** How many there are. */
async function testFiles(): Promise<number> {
  const { default: config } = (await import(pathToFileURL(join(CLONE, 'jest.config.mjs')).href)) as {
    default: JestConfig;
  };
  const patterns = config.projects.flatMap(({ testMatch }) => testMatch.map((each) => each.replace('<rootDir>/', '')));
  let files = 0;
  for await (const _ of glob(patterns, { cwd: CLONE, exclude: ['**/node_modules', '**/dist'] })) files++;
  return files;
}

interface JestConfig {
  readonly projects: readonly { readonly testMatch: readonly string[] }[];
}

/** Undefined when Jest came to no result. */
async function jest(args: readonly string[]): Promise<JestResult | undefined> {
  const machine = await measureMachine();
  const { files, patience: needed } = loadFor(machine);
  const patience = Math.max(needed, patienceOf());
  console.error(
    `This machine gives ${machine.strength.toFixed(1)} processors of ours (${machine.processors} are there): ` +
      `${files} test files at once, and waits may last ${patience} times as long.`,
  );
  const folder = await mkdtemp(join(tmpdir(), 'buckets-test-'));
  const outputFile = join(folder, 'result.json');
  try {
    await runJest({
      args: ['--passWithNoTests', '--json', `--outputFile=${outputFile}`, `--maxWorkers=${files}`, ...args],
      env: { BUCKETS_PATIENCE: String(patience) },
      withinMs: RUN_WITHIN_MS * patience,
    });
    return JSON.parse(await readFile(outputFile, 'utf8')) as JestResult;
  } catch (error) {
    console.error(`The tests came to no result: ${(error as Error).message}`);
    return undefined;
  } finally {
    await rm(folder, { recursive: true });
  }
}

process.exitCode = (await test(process.argv.slice(2))) ? 0 : 1;
