interface LogLine {
  readonly level: string;
  readonly time: string;
  readonly message: string;
  readonly error?: { readonly code?: string; readonly message?: string; readonly stack?: string };
}

/**
 * The services log JSON, for machines. For people: the message first, what is the same in all lines left out, and of
 * an error its message, if it is one that the product knows, else where it came from.
 */
export function readable(line: string): string {
  if (!line.startsWith('{')) return line;
  try {
    const { level, time, message, error, ...others } = JSON.parse(line) as LogLine & Record<string, unknown>;
    if (typeof message !== 'string' || typeof time !== 'string') return line;
    const { service: _service, pid: _pid, ...details } = others;
    const text = [
      time.slice(11, 23),
      ...(level === 'info' ? [] : [level.toUpperCase()]),
      message,
      ...(Object.keys(details).length === 0 ? [] : [JSON.stringify(details)]),
    ].join(' ');
    const reason = error?.code === undefined ? error?.stack : error.message;
    return reason === undefined ? text : `${text}\n  ${reason.replaceAll('\n', '\n  ')}`;
  } catch {
    return line; // Not JSON after all.
  }
}

/** What is the same of lines that say the same at different times. */
export function withoutTime(line: string): string {
  if (!line.startsWith('{')) return line;
  try {
    const { time: _time, ...others } = JSON.parse(line) as Partial<LogLine>;
    return JSON.stringify(others);
  } catch {
    return line; // Not JSON after all.
  }
}
