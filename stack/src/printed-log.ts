import { readable } from './readable-line.js';

/** Bright, and apart from each other. */
const COLOURS = [36, 33, 35, 32, 34, 96, 93, 95];

const colours = new Map<string, number>();

/** Prints a line of a process's output behind the process's name. */
export function printLine(name: string, line: string): void {
  for (const each of readable(line).split('\n')) process.stdout.write(`${prefix(name)} ${each}\n`);
}

/** Prints what the supervisor has to say about a process. */
export function printNote(name: string, note: string): void {
  process.stdout.write(`${prefix(name)} ${process.stdout.isTTY ? `\x1b[1m${note}\x1b[0m` : note}\n`);
}

function prefix(name: string): string {
  const text = `${name.padEnd(12)} |`;
  if (!process.stdout.isTTY) return text;
  if (!colours.has(name)) colours.set(name, COLOURS[colours.size % COLOURS.length]!);
  return `\x1b[${colours.get(name)}m${text}\x1b[0m`;
}
