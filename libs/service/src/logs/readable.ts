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
  const failure = error === undefined ? '' : isToTrace(level, error) ? trace(error) : ` (${inOneLine(error)})`;
  return `${time.slice(11, 23)} ${level.toUpperCase().padEnd(5)} ${service}: ${message}${rest.join('')}${failure}\n`;
}

/** Where it came from helps with what should not be; of what a service waits for, or works around, the reason is enough. */
function isToTrace(level: string, { name = '' }: LoggedError): boolean {
  return level === 'error' || level === 'fatal' || MISTAKES.has(name);
}

/** Of ours, not of the parts around. */
const MISTAKES: ReadonlySet<string> = new Set(['TypeError', 'ReferenceError', 'RangeError', 'SyntaxError']);

function trace(error: LoggedError): string {
  return `\n  ${(error.stack ?? JSON.stringify(error)).replaceAll('\n', '\n  ')}`;
}

function inOneLine(error: LoggedError): string {
  const { message, errors, cause } = error;
  const own = message || (Array.isArray(errors) ? errors.map(inOneLine).join('; ') : undefined);
  const reason = (own ?? JSON.stringify(error)).replaceAll(/\s*\n\s*/g, ' ');
  const because = typeof cause === 'object' && cause !== null ? inOneLine(cause) : '';
  return because === '' || reason.includes(because) ? reason : `${reason} because: ${because}`;
}

interface LogRecord {
  readonly time: string;
  readonly level: string;
  readonly service: string;
  readonly pid: number;
  readonly message?: string;
  readonly error?: LoggedError;
}

interface LoggedError {
  readonly name?: string;
  readonly message?: string;
  readonly stack?: string;
  readonly errors?: readonly LoggedError[];
  readonly cause?: LoggedError;
}
