import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Advice } from './say.mjs';

/**
 * Runs a program to its end and returns what it printed.
 *
 * @throws {Advice} with the end of its output when it fails, or what `tell` makes of its lines
 */
export function run(program, args, { env, cwd, onLine = () => undefined, tell = theEnd } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const end = () => child.kill();
    process.once('exit', end);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output = (output + text).slice(-100_000);
        for (const line of text.split('\n')) if (line !== '') onLine(line);
      });
    }
    child.once('error', reject);
    child.once('close', (code, signal) => {
      process.off('exit', end);
      if (code === 0) return resolve(output);
      const last = output.trimEnd().split('\n').slice(-15).join('\n  ');
      reject(
        new Error(`${program} ${args.slice(0, 3).join(' ')} failed (${signal ?? `exit code ${code}`}):\n  ${last}`),
      );
    });
  });
}

function theEnd(lines) {
  return lines.slice(-15);
}

/** The path of a program on PATH. */
export function find(program) {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter(Boolean)
    .map((folder) => join(folder, program))
    .find(isProgram);
}

export function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
