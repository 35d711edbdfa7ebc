import { isAbsolute, normalize } from 'node:path';
import { formatBytes, formatDuration, parseBytes, parseDuration } from './quantities.js';
import type { BytesText, DurationText } from './quantities.js';
import { InvalidValue, setting } from './setting.js';
import type { Options, Setting, ValueOf } from './setting.js';

/** Any text. */
export function string<const O extends Options<string>>(variable: string, options: O): Setting<ValueOf<string, O>> {
  return setting(variable, { name: 'text', example: 'text', parse: (text) => text }, options);
}

/**
 * An address, as text without a user or password: an address that carries one is a `secretUrl`.
 * Without `protocols`, http and https.
 */
export function url<const O extends Options<string> & { readonly protocols?: readonly string[] }>(
  variable: string,
  options: O,
): Setting<ValueOf<string, O>> {
  const protocols = options.protocols ?? ['http:', 'https:'];
  return setting(
    variable,
    {
      name: 'address',
      example: `${protocols[0]}//127.0.0.1:8080`,
      parse: (text) => {
        const parsed = parseUrl(text, protocols);
        if (parsed.username !== '' || parsed.password !== '') {
          throw new InvalidValue('must not hold a user or a password');
        }
        return text;
      },
    },
    options,
  );
}

/** A TCP port; 0 lets the system choose a free one. */
export function port<const O extends Options<number>>(variable: string, options: O): Setting<ValueOf<number, O>> {
  return setting(
    variable,
    { name: 'port', example: '8080', parse: (text) => wholeNumber(text, { min: 0, max: 65_535 }) },
    options,
  );
}

interface IntegerRange {
  readonly min?: number;
  readonly max?: number;
  /** What is counted: `backups`. For people only. */
  readonly unit?: string;
}

/** A whole number, by default from 0 to the largest safe one. */
export function integer<const O extends Options<number> & IntegerRange>(
  variable: string,
  options: O,
): Setting<ValueOf<number, O>> {
  const range = { min: options.min ?? 0, max: options.max ?? Number.MAX_SAFE_INTEGER, unit: options.unit };
  return setting(
    variable,
    {
      name: `whole number${wholeRange(range)}`,
      example: String(options.default ?? range.min),
      parse: (text) => wholeNumber(text, range),
    },
    options,
  );
}

/** A length of time such as `90s` or `15m`; the value is in milliseconds. */
export function duration<
  const O extends Options<DurationText> & { readonly min?: DurationText; readonly max?: DurationText },
>(variable: string, options: O): Setting<ValueOf<number, O>> {
  return quantity(variable, options, {
    name: 'duration',
    example: '15m',
    units: 'ms, s, m, h or d',
    parse: parseDuration,
    format: formatDuration,
  });
}

/** A size such as `64MiB`; the value is in bytes. */
export function bytes<const O extends Options<BytesText> & { readonly min?: BytesText; readonly max?: BytesText }>(
  variable: string,
  options: O,
): Setting<ValueOf<number, O>> {
  return quantity(variable, options, {
    name: 'size',
    example: '64MiB',
    units: 'B, KiB, MiB, GiB or TiB',
    parse: parseBytes,
    format: formatBytes,
  });
}

/** `true` or `false`. */
export function boolean<const O extends Options<boolean>>(variable: string, options: O): Setting<ValueOf<boolean, O>> {
  return setting(
    variable,
    {
      name: 'true or false',
      example: 'true',
      parse: (text) => {
        if (text !== 'true' && text !== 'false') throw new InvalidValue(`is ${quote(text)}, expected true or false`);
        return text === 'true';
      },
    },
    options,
  );
}

/** One of a few words. */
export function choice<const C extends readonly [string, ...string[]], const O extends Options<C[number]>>(
  variable: string,
  choices: C,
  options: O,
): Setting<ValueOf<C[number], O>> {
  return setting(
    variable,
    {
      name: `one of ${choices.join(', ')}`,
      example: choices[0],
      parse: (text): C[number] => {
        if (!choices.includes(text)) throw new InvalidValue(`is ${quote(text)}, expected one of ${choices.join(', ')}`);
        return text;
      },
    },
    options,
  );
}

/**
 * A command as its arguments, run without a shell: either a JSON array of strings,
 * or words with blanks between them where no word needs quotes.
 */
export function command<const O extends Options<readonly string[]>>(
  variable: string,
  options: O,
): Setting<ValueOf<readonly string[], O>> {
  return setting(
    variable,
    { name: 'command', example: '["/usr/local/bin/freeze", "--now"]', parse: parseCommand },
    options,
  );
}

/** The absolute path of a file or folder; whether it exists is for its user to find out. */
export function filePath<const O extends Options<string>>(variable: string, options: O): Setting<ValueOf<string, O>> {
  return setting(
    variable,
    {
      name: 'absolute path',
      example: '/var/lib/buckets',
      parse: (text) => {
        if (!isAbsolute(text) || text.includes('\0')) {
          throw new InvalidValue(`is ${quote(text)}, expected an absolute path`);
        }
        return normalize(text);
      },
    },
    options,
  );
}

/** Throws `InvalidValue` with a message that never repeats the text, as it may hold a password. */
export function parseUrl(text: string, protocols: readonly string[]): URL {
  const parsed = URL.parse(text);
  if (parsed === null) throw new InvalidValue('is not an address');
  if (!protocols.includes(parsed.protocol)) {
    throw new InvalidValue(`must begin with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`);
  }
  return parsed;
}

function quantity<T extends string, const O extends Options<T> & { readonly min?: T; readonly max?: T }>(
  variable: string,
  options: O,
  kind: {
    name: string;
    example: string;
    units: string;
    parse: (text: string) => number | undefined;
    format: (value: number) => string;
  },
): Setting<ValueOf<number, O>> {
  const parse = (text: string): number => {
    const value = kind.parse(text);
    if (value === undefined) {
      throw new InvalidValue(`is ${quote(text)}, expected a ${kind.name}: a number and one of ${kind.units}`);
    }
    return value;
  };
  const min = options.min === undefined ? 0 : parse(options.min);
  const max = options.max === undefined ? Number.MAX_SAFE_INTEGER : parse(options.max);
  const limits = [
    ...(min > 0 ? [`at least ${kind.format(min)}`] : []),
    ...(max < Number.MAX_SAFE_INTEGER ? [`at most ${kind.format(max)}`] : []),
  ].join(' and ');
  return setting(
    variable,
    {
      name: limits === '' ? kind.name : `${kind.name}, ${limits}`,
      example: options.default ?? options.min ?? kind.example,
      parse: (text) => {
        const value = parse(text);
        if (value < min || value > max) throw new InvalidValue(`is ${quote(text)}, expected ${limits}`);
        return value;
      },
    },
    options,
  );
}

function wholeNumber(text: string, range: { min: number; max: number; unit?: string | undefined }): number {
  const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= range.min && value <= range.max)) {
    throw new InvalidValue(`is ${quote(text)}, expected a whole number${wholeRange(range)}`);
  }
  return value;
}

function wholeRange({ min, max, unit }: { min: number; max: number; unit?: string | undefined }): string {
  const upTo = max === Number.MAX_SAFE_INTEGER ? ` of at least ${min}` : ` from ${min} to ${max}`;
  return unit === undefined ? upTo : `${upTo} ${unit}`;
}

function parseCommand(text: string): readonly string[] {
  const argv = text.trimStart().startsWith('[') ? parseJsonArray(text) : splitPlainWords(text);
  if (argv.length === 0 || argv[0] === '') throw new InvalidValue('names no program');
  if (argv.some((word) => word.includes('\0'))) throw new InvalidValue('holds a NUL character');
  return Object.freeze(argv);
}

function parseJsonArray(text: string): string[] {
  try {
    const parsed: unknown = JSON.parse(text);
    if (Array.isArray(parsed) && parsed.every((word) => typeof word === 'string')) return parsed;
  } catch {
    // not JSON: the same answer as for JSON of another shape
  }
  throw new InvalidValue('is not a JSON array of strings');
}

function splitPlainWords(text: string): string[] {
  const special = /["'`\\$|&;<>()*?~#{}]/.exec(text)?.[0];
  if (special !== undefined) {
    throw new InvalidValue(`holds ${special}, but no shell runs it: write it as a JSON array of strings`);
  }
  return text.split(/\s+/).filter((word) => word !== '');
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
