import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, statSync } from 'node:fs';
import { constants as os } from 'node:os';
import { delimiter, join } from 'node:path';
import { Advice } from './say.mjs';

const children = new Set();
let interruption;

/**
 * Runs a program to its end and returns what it printed.
 *
 * @param {object} [options] `whole`: all of its standard output and nothing else, not the last 100,000 characters of both
 * @throws {Advice} with the end of its output when it fails, or what `tell` makes of its lines
 */
export function run(program, args, { env, cwd, onLine = () => undefined, tell = theEnd, whole = false } = {}) {
  return new Promise((resolve, reject) => {
    if (interruption) return reject(interruption);
    // In a group of its own, so that Ctrl-C reaches it once, from us: npm tidies up after the first one.
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    children.add(child);
    let output = '';
    let standardOutput = '';
    for (const stream of [child.stdout, child.stderr]) {
      // A program may write a line in pieces.
      let begun = '';
      stream.setEncoding('utf8').on('data', (text) => {
        output = (output + text).slice(-100_000);
        if (whole && stream === child.stdout) standardOutput += text;
        const lines = (begun + text).split('\n');
        begun = lines.pop().slice(-10_000);
        for (const line of lines) onLine(line);
      });
    }
    child.once('error', (error) => {
      children.delete(child);
      reject(error);
    });
    child.once('close', (code, signal) => {
      children.delete(child);
      if (interruption) return reject(interruption);
      if (code === 0) return resolve(whole ? standardOutput : output);
      const told = tell(output.trimEnd().split('\n')).join('\n  ');
      reject(new Advice(`${program} ${args[0]} failed (${signal ?? `exit code ${code}`}):\n  ${told}`));
    });
  });
}

/** The person does not want it any more, or the machine. */
export class Interruption extends Error {
  constructor(signal) {
    super(`Interrupted by ${signal}`);
    this.exitCode = 128 + os.signals[signal];
  }
}

const TIDY_UP_MS = 3_000;

/**
 * Does things beside each other. Where one fails, the programs that the others run are ended, and no other begins: what
 * is left for the caller is to exit.
 *
 * @throws what the first one failed with
 */
export async function together(...works) {
  try {
    await Promise.all(works.map((work) => work()));
  } catch (error) {
    interruption ??= error;
    const ended = Promise.allSettled([...children].map((child) => once(child, 'close')));
    endChildren('SIGTERM');
    setTimeout(() => endChildren('SIGKILL'), TIDY_UP_MS).unref();
    await ended;
    throw error;
  }
}

/** From now on a signal ends what is running, gives it a moment to tidy up, and lets nothing new begin. */
export function heedSignals() {
  const heed = (signal) => {
    if (interruption) return;
    interruption = new Interruption(signal);
    if (children.size === 0) process.exit(interruption.exitCode);
    endChildren(signal);
    setTimeout(() => {
      endChildren('SIGKILL');
      process.exit(interruption.exitCode);
    }, TIDY_UP_MS).unref();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, heed);
  return () => ['SIGINT', 'SIGTERM', 'SIGHUP'].forEach((signal) => process.off(signal, heed));
}

function endChildren(signal) {
  for (const { pid } of children) {
    try {
      process.kill(-pid, signal);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  }
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
