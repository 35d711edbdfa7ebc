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
  return quantity(variable, options, DURATION);
}

/**
 * Lengths of time by name, such as `backup.stall=5m,*.queue=6h`; the values are in milliseconds. A name that is not
 * given has none.
 */
export function durations<
  const O extends Options<string> & {
    readonly names: readonly string[];
    readonly min?: DurationText;
    readonly max?: DurationText;
  },
>(variable: string, options: O): Setting<ValueOf<Readonly<Record<string, number>>, O>> {
  const { parse, limits } = withinBounds(options, DURATION);
  return setting(
    variable,
    {
      name: `durations by name${limits === '' ? '' : `, each ${limits}`}`,
      example: `${options.names[0]}=15m`,
      parse: (text) => parseByName(text, options.names, parse),
    },
    options,
  );
}

/** A size such as `64MiB`; the value is in bytes. */
export function bytes<const O extends Options<BytesText> & { readonly min?: BytesText; readonly max?: BytesText }>(
  variable: string,
  options: O,
): Setting<ValueOf<number, O>> {
  return quantity(variable, options, SIZE);
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

/** Some of a few words, at least one, with commas between them. */
export function choices<const C extends readonly [string, ...string[]], const O extends Options<string>>(
  variable: string,
  known: C,
  options: O,
): Setting<ValueOf<readonly C[number][], O>> {
  return setting(
    variable,
    {
      name: `some of ${known.join(', ')}, with commas between them`,
      example: known.slice(0, 2).join(','),
      parse: (text): readonly C[number][] => {
        const words = text.split(',').map((word) => word.trim());
        const unknown = words.find((word) => !known.includes(word));
        if (unknown === undefined) return Object.freeze(words);
        throw new InvalidValue(`holds ${quote(unknown)}, which is none of ${known.join(', ')}`);
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

interface Quantity {
  readonly name: string;
  readonly example: string;
  readonly units: string;
  readonly parse: (text: string) => number | undefined;
  readonly format: (value: number) => string;
}

const DURATION: Quantity = {
  name: 'duration',
  example: '15m',
  units: 'ms, s, m, h or d',
  parse: parseDuration,
  format: formatDuration,
};
const SIZE: Quantity = {
  name: 'size',
  example: '64MiB',
  units: 'B, KiB, MiB, GiB or TiB',
  parse: parseBytes,
  format: formatBytes,
};

function quantity<T extends string, const O extends Options<T> & { readonly min?: T; readonly max?: T }>(
  variable: string,
  options: O,
  kind: Quantity,
): Setting<ValueOf<number, O>> {
  const { parse, limits } = withinBounds(options, kind);
  return setting(
    variable,
    {
      name: limits === '' ? kind.name : `${kind.name}, ${limits}`,
      example: options.default ?? options.min ?? kind.example,
      parse,
    },
    options,
  );
}

/** Reads a quantity that is neither too small nor too large; `limits` says what that is. */
function withinBounds(
  bounds: { readonly min?: string; readonly max?: string },
  kind: Quantity,
): { parse: (text: string) => number; limits: string } {
  const read = (text: string): number => {
    const value = kind.parse(text);
    if (value !== undefined) return value;
    throw new InvalidValue(`is ${quote(text)}, expected a ${kind.name}: a number and one of ${kind.units}`);
  };
  const min = bounds.min === undefined ? 0 : read(bounds.min);
  const max = bounds.max === undefined ? Number.MAX_SAFE_INTEGER : read(bounds.max);
  const limits = [
    ...(min > 0 ? [`at least ${kind.format(min)}`] : []),
    ...(max < Number.MAX_SAFE_INTEGER ? [`at most ${kind.format(max)}`] : []),
  ].join(' and ');
  const parse = (text: string): number => {
    const value = read(text);
    if (value < min || value > max) throw new InvalidValue(`is ${quote(text)}, expected ${limits}`);
    return value;
  };
  return { parse, limits };
}

function parseByName<T>(
  text: string,
  names: readonly string[],
  parse: (text: string) => T,
): Readonly<Record<string, T>> {
  const values = new Map<string, T>();
  for (const part of text.split(',').map((each) => each.trim())) {
    const [name = '', value, ...more] = part.split('=').map((each) => each.trim());
    if (value === undefined || more.length > 0) {
      throw new InvalidValue(`holds ${quote(part)}, expected a name and a value, such as ${names[0]}=15m`);
    }
    if (!names.includes(name)) {
      throw new InvalidValue(`names ${quote(name)}, which is none of ${names.join(', ')}`);
    }
    if (values.has(name)) throw new InvalidValue(`names ${name} twice`);
    values.set(
      name,
      valueOf(name, () => parse(value)),
    );
  }
  return Object.freeze(Object.fromEntries(values));
}

/** The problem of one value of several says which one it is. */
function valueOf<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw error instanceof InvalidValue ? new InvalidValue(`gives ${name} a value that ${error.message}`) : error;
  }
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
