import { isUtf8 } from 'node:buffer';

/** What JSON that comes in may be made of at most. */
export interface JsonBounds {
  bytes: number;
  /** Lists and objects within each other. */
  depth: number;
  /** Lists, objects, and what stands in them. */
  values: number;
  /** Fields of one object. */
  fields: number;
  /** Whether texts may hold what databases cannot keep: nothing of it is kept as it is. */
  anyText?: boolean;
}

/** Bytes of one message, all in. A list carries its first 100 entries and says where the rest is. */
export const MAX_MESSAGE_BYTES = 256 * 1024;

/** Of every message, whoever has sent it: the largest of ours are a tenth of it. */
export const MESSAGE_BOUNDS: JsonBounds = { bytes: MAX_MESSAGE_BYTES, depth: 32, values: 20_000, fields: 1_000 };

/** Bytes that cannot be read as JSON within its bounds. */
export class UnreadableJson extends Error {
  readonly code = 'unreadable-json';
  /** @param reason what is wrong, as the end of a sentence; it quotes nothing */
  constructor(readonly reason: string) {
    super(`This cannot be read: ${reason}.`);
    this.name = 'UnreadableJson';
  }
}

/**
 * The one way in for JSON from elsewhere. It is bounded before anything is made of it, as what looks at it later takes a step
 * down for each depth, and more for each field.
 *
 * @throws {UnreadableJson}
 */
export function readJson(bytes: Uint8Array, bounds: JsonBounds = MESSAGE_BOUNDS): unknown {
  const fault = faultInJson(bytes, bounds);
  if (fault !== null) throw new UnreadableJson(fault);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's words quote the text.
    throw new UnreadableJson('it is not JSON');
  }
  if (bounds.anyText !== true && mayBeUnstorable(text) && holdsUnstorableText(value))
    throw new UnreadableJson(UNSTORABLE);
  return value;
}

/** What is wrong with these bytes, whether or not they are JSON in all else; null when nothing is. */
export function faultInJson(bytes: Uint8Array, bounds: JsonBounds = MESSAGE_BOUNDS): string | null {
  if (bytes.length > bounds.bytes) return `it is too large: it has more than ${bounds.bytes} bytes`;
  if (!isUtf8(bytes)) return 'it is not UTF-8';
  let depth = 0;
  let values = 0;
  /** Of each object or list that is open, how many there are in it; of lists it does not count. */
  const fields: number[] = [];
  let inString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (inString) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) {
      inString = true;
    } else if (byte === COMMA) {
      values++;
      if (++fields[depth]! > bounds.fields) return `an object in it has more than ${bounds.fields} fields`;
    } else if (byte === BRACE || byte === BRACKET) {
      values++;
      fields[++depth] = byte === BRACE ? 1 : Number.NEGATIVE_INFINITY;
      if (depth > bounds.depth) return `it is nested more than ${bounds.depth} levels deep`;
    } else if (byte === BRACE_END || byte === BRACKET_END) {
      depth--;
    }
    if (values > bounds.values) return `it holds more than ${bounds.values} values`;
  }
  return null;
}

const UNSTORABLE = 'it holds a NUL character or half of a surrogate pair';

/** How such characters stand in JSON: escaped, always. A backslash before it may be escaped itself, hence the second look. */
export function mayBeUnstorable(json: string): boolean {
  return /\\u(0000|[dD][89a-fA-F])/.test(json);
}

/** Whether a text in it has a character that databases cannot keep, or UTF-8 cannot write. Its depth must be bounded. */
export function holdsUnstorableText(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0') || !value.isWellFormed();
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, inner]) => holdsUnstorableText(key) || holdsUnstorableText(inner));
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const BRACKET_END = 0x5d;
const BRACE = 0x7b;
const BRACE_END = 0x7d;
