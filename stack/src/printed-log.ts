/** Bright, and apart from each other. */
const COLOURS = [36, 33, 35, 32, 34, 96, 93, 95];

const colours = new Map<string, number>();

/** Prints a line of a process's output behind the process's name. */
export function printLine(name: string, line: string): void {
  process.stdout.write(`${prefix(name)} ${readable(line)}\n`);
}

/** Prints what the supervisor has to say about a process. */
export function printNote(name: string, note: string): void {
  process.stdout.write(`${prefix(name)} ${process.stdout.isTTY ? `\x1b[1m${note}\x1b[0m` : note}\n`);
}

/** The services log JSON, for machines: here its message comes first, and what is the same in all lines is left out. */
export function readable(line: string): string {
  if (!line.startsWith('{')) return line;
  try {
    const { level, time, service: _service, pid: _pid, message, ...rest } = JSON.parse(line) as Record<string, unknown>;
    if (typeof message !== 'string' || typeof time !== 'string') return line;
    const severity = level === 'info' ? '' : `${String(level).toUpperCase()} `;
    const details = Object.keys(rest).length === 0 ? '' : ` ${JSON.stringify(rest)}`;
    return `${time.slice(11, 23)} ${severity}${message}${details}`;
  } catch {
    return line; // Not JSON after all.
  }
}

function prefix(name: string): string {
  const text = `${name.padEnd(12)} |`;
  if (!process.stdout.isTTY) return text;
  if (!colours.has(name)) colours.set(name, COLOURS[colours.size % COLOURS.length]!);
  return `\x1b[${colours.get(name)}m${text}\x1b[0m`;
}
