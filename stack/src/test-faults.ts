import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runJest } from './run-jest.js';

const HELP = `npm run test:faults [-- --seed N] [--rounds N] [--minutes M] [--json FILE]

Runs the whole product, does harm to it as the plan of the seed says, heals it, and looks for what was lost. The same
seed gives the same plan. Without --rounds or --minutes: 40 rounds of 3 to 6 seconds.
--json keeps what was counted in a file; on stdout it is told as Markdown.`;

/** `npm run test:faults`: the fault suite with a plan of one's own. What happens is told on stderr. */
async function testFaults(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
      rounds: { type: 'string' },
      minutes: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const { seed, minutes, rounds = minutes === undefined ? '40' : undefined } = values;
  for (const [name, value] of Object.entries({ seed, rounds, minutes })) {
    if (value !== undefined && !/^\d+(\.\d+)?$/.test(value)) throw new TypeError(`--${name} takes a number.`);
  }
  const folder = await mkdtemp(join(tmpdir(), 'buckets-faults-'));
  const report = values.json ?? join(folder, 'report.json');
  try {
    const code = await runJest({
      args: ['--selectProjects=real-parts', '--runInBand', '--runTestsByPath', 'test/faults.test.ts'],
      env: {
        FAULTS_SEED: seed,
        FAULTS_REPORT: report,
        ...(rounds === undefined ? {} : { FAULTS_ROUNDS: rounds }),
        ...(minutes === undefined ? {} : { FAULTS_MINUTES: minutes }),
      },
    });
    const text = await readFile(report, 'utf8').catch(() => undefined);
    if (text !== undefined) console.log((JSON.parse(text) as { markdown: string }).markdown);
    return code;
  } finally {
    await rm(folder, { recursive: true });
  }
}

try {
  process.exitCode = await testFaults(process.argv.slice(2));
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
