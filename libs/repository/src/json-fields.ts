/** Something in a decrypted JSON document is not what the format says. Whoever knows the document's name reports it. */
export class Malformed extends Error {}

export type JsonObject = Record<string, unknown>;

export function asObject(value: unknown, name: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unlike(name, 'an object');
  return value as JsonObject;
}

/** A list; one that is left out or null is empty. */
export function asList(value: unknown, name: string): unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw unlike(name, 'a list');
  return value;
}

export function asText(value: unknown, name: string): string {
  if (typeof value !== 'string') throw unlike(name, 'a text');
  return value;
}

/** An object id: 64 lower-case hex digits. */
export function asId(value: unknown, name: string): string {
  if (!isId(value)) throw unlike(name, 'an id of 64 hex digits');
  return value;
}

export function isId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}

/** A whole number from 0 to `max`. */
export function asCount(value: unknown, name: string, max: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
    throw unlike(name, `a whole number up to ${max}`);
  }
  return value;
}

/** Applies a check to a value that may be left out or null. */
export function optional<T, R extends unknown[]>(
  check: (value: unknown, name: string, ...rest: R) => T,
  value: unknown,
  name: string,
  ...rest: R
): T | undefined {
  return value === undefined || value === null ? undefined : check(value, name, ...rest);
}

export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(bytes));
  } catch {
    // The parser's message quotes the document, which may hold people's file names.
    throw new Malformed('it is not JSON');
  }
}

/** Whole numbers past 2^53 (inode and device numbers) become BigInt. Several times slower: for documents that have some. */
export function parseJsonExactly(bytes: Uint8Array): unknown {
  const revive = (_: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value) && context?.source
      ? BigInt(context.source)
      : value;
  try {
    return JSON.parse(textOf(bytes), revive);
  } catch {
    throw new Malformed('it is not JSON');
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}

function unlike(name: string, what: string): Malformed {
  return new Malformed(`"${name}" is not ${what}`);
}
