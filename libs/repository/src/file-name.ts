import { Malformed } from './json-fields.js';

/**
 * The bytes of a name as rustic and restic write it into a tree: UTF-8 with the escapes of Go's `strconv.Quote`, where
 * `\xNN` is one byte of a name that is not valid UTF-8 (rustic_core 0.13.0, src/backend/node.rs, `escape_filename`).
 *
 * @throws Malformed for an unknown escape, and for what cannot be the name of one entry in a folder: an empty name, `.`,
 * `..`, or one with a slash or a zero byte
 */
export function unescapeFileName(escaped: string): Buffer {
  const name = escaped.includes('\\') ? unescape(escaped) : Buffer.from(escaped);
  if (name.length === 0 || name.includes(0) || name.includes(SLASH) || DOTS.has(name.toString('latin1'))) {
    throw new Malformed('a name in it could leave its folder');
  }
  return name;
}

const SLASH = 0x2f;
const DOTS = new Set(['.', '..']);

function unescape(escaped: string): Buffer {
  const parts: Buffer[] = [];
  let rest = 0;
  for (const match of escaped.matchAll(ESCAPE)) {
    parts.push(Buffer.from(escaped.slice(rest, match.index)), bytesOf(match));
    rest = match.index + match[0].length;
  }
  parts.push(Buffer.from(escaped.slice(rest)));
  return Buffer.concat(parts);
}

const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.?))/gs;

function bytesOf([, byte, short, long, letter = '']: RegExpMatchArray): Buffer {
  if (byte !== undefined) return Buffer.from(byte, 'hex');
  const hex = short ?? long;
  if (hex !== undefined) {
    const codePoint = Number.parseInt(hex, 16);
    const isSurrogate = codePoint >= 0xd800 && codePoint <= 0xdfff;
    if (isSurrogate || codePoint > 0x10ffff) throw new Malformed('a name in it has an escape that is no character');
    return Buffer.from(String.fromCodePoint(codePoint));
  }
  const plain = LETTERS.get(letter);
  if (plain === undefined) throw new Malformed('a name in it has an unknown escape');
  return Buffer.from(plain);
}

const LETTERS = new Map([
  ...[...'\\"\'`'].map((letter) => [letter, letter] as const),
  ...[...'abfnrtv'].map((letter, index) => [letter, '\x07\b\f\n\r\t\v'[index]!] as const),
]);
