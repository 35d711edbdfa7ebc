import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { CLONE } from './clone.js';

/**
 * Checks the sources side by side, and says on stderr what each check found.
 *
 * @returns the names of those that failed
 */
export async function runChecks({ fix = false } = {}): Promise<string[]> {
  console.error('Checking format, lint, imports and types (usually half a minute) …');
  const checks = [
    check('format', 'prettier/bin/prettier.cjs', [fix ? '--write' : '--check', '--log-level=warn', '.']),
    check('lint', 'eslint/bin/eslint.js', [...(fix ? ['--fix'] : []), '.']),
    check('imports', 'dependency-cruiser/bin/dependency-cruise.mjs', [
      '--config',
      '.dependency-cruiser.mjs',
      ...SOURCES,
    ]),
    check('types', 'typescript/bin/tsc', ['--noEmit', '--pretty', '--project', 'tsconfig.json']),
  ];
  // Both rewrite files, so one after the other.
  const outcomes = fix ? await oneByOne(checks) : await Promise.all(checks.map((run) => run()));
  return outcomes.filter(({ ok }) => !ok).map(({ name }) => name);
}

/** Where no circle of imports and none against the floors may be. */
const SOURCES = ['apps', 'libs', 'stack/src'];

interface Outcome {
  readonly name: string;
  readonly ok: boolean;
}

function check(name: string, program: string, args: readonly string[]): () => Promise<Outcome> {
  return () =>
    new Promise((resolve) => {
      const command = [join(CLONE, 'node_modules', program), ...args];
      const options = { cwd: CLONE, maxBuffer: 64 * 1024 ** 2 };
      execFile(process.execPath, command, options, (error, stdout, stderr) => {
        console.error(error === null ? `${name}: fine` : `${name}: not fine\n${stdout}${stderr}`);
        resolve({ name, ok: error === null });
      });
    });
}

async function oneByOne(checks: readonly (() => Promise<Outcome>)[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const run of checks) outcomes.push(await run());
  return outcomes;
}
