/** A line of the log as a person reads it on a terminal; a line that is not JSON stays as it is. */
export function readableLine(line: string): string {
  let record: LogRecord;
  try {
    record = JSON.parse(line) as LogRecord;
  } catch {
    return line;
  }
  const { time, level, service, pid: _, message = '', error, ...fields } = record;
  const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`);
  const failure = error === undefined ? '' : `\n  ${(error.stack ?? JSON.stringify(error)).replaceAll('\n', '\n  ')}`;
  return `${time.slice(11, 23)} ${level.toUpperCase().padEnd(5)} ${service}: ${message}${rest.join('')}${failure}\n`;
}

interface LogRecord {
  readonly time: string;
  readonly level: string;
  readonly service: string;
  readonly pid: number;
  readonly message?: string;
  readonly error?: { readonly stack?: string };
}
