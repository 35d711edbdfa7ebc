import { BACKSLASH, BRACE, BRACE_END, BRACKET, BRACKET_END, COMMA, QUOTE } from './json-bytes.js';
import { RepositoryCorrupt } from './repository-error.js';

/**
 * The bytes of a tree without some of its entries, and with other subtrees for some of its folders. What stays, stays byte
 * by byte, also what we do not know of. No more is held than a piece, and a folder's own entry.
 *
 * @param name for errors
 * @param pieces the tree as it was stored, which was read before: it is JSON
 * @param changes by the entries' numbers: undefined takes an entry out, an id becomes that of its subtree
 * @throws RepositoryCorrupt when it is written in a way in which nobody writes trees
 */
export async function* withoutEntries(
  name: string,
  pieces: AsyncIterable<Buffer>,
  changes: ReadonlyMap<number, string | undefined>,
): AsyncGenerator<Buffer, void, undefined> {
  const corrupt = (why: string) => new RepositoryCorrupt(name, why);
  let begin = Buffer.alloc(0);
  let hasBegun = false;
  let hasEnded = false;
  let number = -1;
  let depth = 0;
  let inString = false;
  let escaped = false;
  let isFirst = true;
  /** Of a folder that gets another subtree. */
  let held: Buffer[] = [];
  let out: Buffer[] = [];
  const separate = (): void => {
    if (!isFirst) out.push(SEPARATOR);
    isFirst = false;
  };
  const open = (): void => {
    number += 1;
    if (!changes.has(number)) separate();
  };
  const take = (bytes: Buffer): void => {
    if (!changes.has(number)) out.push(bytes);
    else if (changes.get(number) !== undefined) held.push(bytes);
  };
  const close = (): void => {
    const subtree = changes.get(number);
    if (subtree === undefined) return;
    separate();
    // The quotes are none within a text, as those come after a backslash.
    const parts = Buffer.concat(held).toString('latin1').split(SUBTREE);
    if (parts.length !== 2) throw corrupt('a folder in it names its tree in another way');
    out.push(Buffer.from(parts.join(`"subtree":"${subtree}"`), 'latin1'));
    held = [];
  };

  yield BEGIN;
  for await (let piece of pieces) {
    if (!hasBegun) {
      begin = Buffer.concat([begin, piece]);
      if (begin.length < BEGIN.length) continue;
      if (!begin.subarray(0, BEGIN.length).equals(BEGIN)) throw corrupt('"nodes" is written in another way');
      hasBegun = true;
      piece = begin.subarray(BEGIN.length);
    }
    let from = 0;
    for (let at = 0; at < piece.length && !hasEnded; at++) {
      const byte = piece[at]!;
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else inString = byte !== QUOTE;
      } else if (byte === QUOTE) {
        inString = true;
      } else if (byte === BRACE || byte === BRACKET) {
        if (depth === 0) {
          open();
          from = at;
        }
        depth += 1;
      } else if (byte === BRACE_END || byte === BRACKET_END) {
        hasEnded = depth === 0;
        if (hasEnded) break;
        depth -= 1;
        if (depth > 0) continue;
        take(piece.subarray(from, at + 1));
        close();
      }
    }
    if (depth > 0) take(piece.subarray(from));
    yield* out;
    out = [];
  }
  if (!hasEnded) throw corrupt('it ends too early');
  yield END;
}

const BEGIN = Buffer.from('{"nodes":[');
const END = Buffer.from(']}\n');
const SUBTREE = /"subtree"\s*:\s*"[0-9a-f]{64}"/;
const SEPARATOR = Buffer.of(COMMA);
