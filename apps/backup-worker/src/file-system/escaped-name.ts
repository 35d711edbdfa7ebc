import { isUtf8 } from 'node:buffer';

/**
 * A file's name as text that can be given back: valid UTF-8 stands as it is, each byte that is not part of valid UTF-8
 * and each backslash is written as `\xNN` with two lower-case hex digits. Every name has exactly one such form.
 */
export function escapeName(name: Buffer): string {
  if (isUtf8(name) && !name.includes('\\')) return name.toString();
  let text = '';
  for (let at = 0; at < name.length;) {
    const length = characterLength(name, at);
    text += length === 0 ? `\\x${name[at]!.toString(16).padStart(2, '0')}` : name.toString('utf8', at, at + length);
    at += Math.max(length, 1);
  }
  return text;
}

/** The bytes of a name, or undefined when the text is not the form that escapeName gives it. */
export function unescapeName(text: string): Buffer | undefined {
  if (!text.isWellFormed()) return undefined;
  const pieces = text.split(/\\x([0-9a-f]{2})/);
  const name = Buffer.concat(pieces.map((piece, index) => Buffer.from(piece, index % 2 === 0 ? 'utf8' : 'hex')));
  return escapeName(name) === text ? name : undefined;
}

/** Length in bytes of the valid UTF-8 character that begins here; 0 when none does, or it is a backslash. */
function characterLength(name: Buffer, at: number): number {
  const first = name[at]!;
  if (first === 0x5c) return 0;
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const character = name.subarray(at, at + length);
  return character.length === length && isUtf8(character) ? length : 0;
}
