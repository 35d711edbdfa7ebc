import { BACKSLASH, BRACE, BRACE_END, BRACKET, BRACKET_END, COMMA, QUOTE } from './json-bytes.js';
import { Malformed, asList, asObject, parseJson } from './json-fields.js';
import type { JsonObject } from './json-fields.js';
import { RepositoryUnsupported } from './repository-error.js';
import { PIECE_BYTES } from './turns.js';

/** Some elements of a list of the document, one after the other. */
export interface ListPart {
  list: string;
  elements: unknown[];
  /** The same, as a list in JSON as it was written. */
  json: Buffer;
}

/** The first of what the next element of the list holds in its own list, as that is long. */
export interface InnerPart {
  within: string;
  elements: unknown[];
}

export type JsonPart = ListPart | InnerPart;

/** What cannot be cut: an element without its own list, and the document without its lists. */
const MAX_WHOLE_BYTES = 16 * 1024 * 1024;

/**
 * Takes a document like `{"nodes":[{"name":"a","content":[…]},…]}` apart while it comes in, however long its lists are:
 * a tree, with `content` in each of its nodes, or an index, with `blobs` in each of its packs. No step reads more than one piece
 * of JSON, an element that is longer by itself aside.
 *
 * Each part is read by `JSON.parse`, so what is no JSON is refused, if only after what stood before it was given out; here,
 * brackets are counted and no more. What lists that stand there twice would mean is not asked: they are refused.
 */
export class JsonLists {
  readonly #lists: Map<string, RegExp>;
  readonly #inner: RegExp;
  readonly #seen = new Set<string>();
  readonly #document = new Text();
  /** Elements of the list that were not given out, and the one that is being read. */
  readonly #text = new Text();
  #depth = 0;
  #inString = false;
  #escaped = false;
  #list: string | undefined;
  /** Whether parts of the list were given out. */
  #isCut = false;
  /** Where in the text the element that is being read begins. */
  #elementAt = 0;
  #inInner = false;
  /** Where in the text that begins which was not given out of the element's own list. */
  #innerAt = 0;
  /** Whether parts of the element's own list were given out. */
  #isInnerCut = false;
  /** Whether the element is still to come whose own list's parts were given out. */
  #isOwed = false;

  /**
   * @param lists in the document
   * @param inner the list in each of their elements
   * @param pieceBytes a part is given out when it has become as long
   */
  constructor(
    lists: readonly string[],
    private readonly inner: string,
    private readonly pieceBytes = PIECE_BYTES,
  ) {
    this.#lists = new Map(lists.map((name) => [name, opening(name)]));
    this.#inner = opening(inner);
  }

  /**
   * @param bytes a piece of the document, wherever it was cut
   * @throws Malformed, RepositoryUnsupported
   */
  push(bytes: Buffer): JsonPart[] {
    const parts: JsonPart[] = [];
    if (bytes.length === 0) return parts;
    let depth = this.#depth;
    let inString = this.#inString;
    let at = this.#escaped ? 1 : 0;
    this.#escaped = false;
    let from = 0;
    // What came since goes to where it belongs, before that changes.
    const keep = (to: number): void => {
      (this.#list === undefined ? this.#document : this.#text).add(bytes.subarray(from, to));
      from = to;
    };
    for (; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (inString) {
        if (byte === BACKSLASH) at += 1;
        else inString = byte !== QUOTE;
        if (at === bytes.length) this.#escaped = true;
      } else if (byte === QUOTE) {
        inString = true;
      } else if (byte === COMMA) {
        const length = this.#text.length + at - from;
        if (depth === ELEMENTS && this.#list !== undefined) {
          this.#elementAt = length + 1;
          this.#isInnerCut = false;
          if (length < this.pieceBytes) continue;
          keep(at);
          parts.push(this.#cut(this.#list, { isFollowed: true }));
          from = at + 1;
        } else if (depth === INNER_ELEMENTS && this.#list !== undefined && this.#inInner) {
          if (length - this.#innerAt < this.pieceBytes) continue;
          keep(at);
          parts.push(...this.#cutInner(this.#list));
          from = at + 1;
        }
      } else if (byte === BRACKET || byte === BRACE) {
        if (byte === BRACKET && (depth === LISTS || depth === INNER)) {
          keep(at);
          const opened = this.#open(depth);
          if (opened === 'list') {
            this.#document.add(BEGIN);
            from = at + 1;
          } else if (opened === 'inner') {
            this.#innerAt = this.#text.length + 1;
          }
        }
        depth += 1;
      } else if (byte === BRACKET_END || byte === BRACE_END) {
        depth -= 1;
        if (depth < 0) throw new Malformed(NO_JSON);
        if (depth === INNER && this.#inInner) {
          keep(at);
          this.#inInner = false;
          if (this.#isInnerCut && this.#text.isBlankFrom(this.#innerAt)) throw new Malformed(NO_JSON);
        } else if (depth === LISTS && this.#list !== undefined) {
          keep(at);
          const last = this.#cut(this.#list);
          if (last.elements.length > 0) parts.push(last);
          this.#list = undefined;
        }
      }
    }
    keep(bytes.length);
    this.#depth = depth;
    this.#inString = inString;
    if (this.#text.length + this.#document.length > MAX_WHOLE_BYTES) {
      throw new RepositoryUnsupported(`an entry in it takes more than ${MAX_WHOLE_BYTES} bytes besides its lists`);
    }
    return parts;
  }

  /** The document with those lists empty, once all of it has come. @throws Malformed */
  end(): JsonObject {
    if (this.#depth !== 0 || this.#inString) throw new Malformed(NO_JSON);
    const document = asObject(parseJson(this.#document.take()), 'document');
    for (const list of this.#seen) asList(document[list], list);
    return document;
  }

  /** A list begins here: which of those is it, if any? */
  #open(depth: number): 'list' | 'inner' | undefined {
    if (this.#list !== undefined) {
      if (depth !== INNER || !this.#inner.test(this.#text.end())) return undefined;
      if (this.#isInnerCut) throw new Malformed(`an entry in it has "${this.inner}" twice`);
      this.#inInner = true;
      return 'inner';
    }
    if (depth !== LISTS) return undefined;
    const before = this.#document.end();
    const [name] = [...this.#lists].find(([, begins]) => begins.test(before)) ?? [];
    if (name === undefined) return undefined;
    if (this.#seen.has(name)) throw new Malformed(`it has "${name}" twice`);
    this.#seen.add(name);
    this.#list = name;
    this.#isCut = this.#isInnerCut = false;
    this.#elementAt = 0;
    return 'list';
  }

  /** @param isFollowed by a comma, which has to stand behind an element */
  #cut(list: string, { isFollowed = false } = {}): ListPart {
    const json = Buffer.concat([BEGIN, this.#text.take(), END]);
    const elements = asList(parseJson(json), list);
    if ((this.#isCut || isFollowed) && elements.length === 0) throw new Malformed(NO_JSON);
    if (this.#isOwed && !Array.isArray(asObject(elements[0], list)[this.inner])) throw new Malformed(NO_JSON);
    this.#isOwed = false;
    this.#isCut = true;
    this.#elementAt = 0;
    return { list, elements, json };
  }

  #cutInner(list: string): JsonPart[] {
    const text = this.#text.take();
    const elementAt = this.#elementAt;
    const parts: JsonPart[] = [];
    if (elementAt > 0) {
      this.#text.add(text.subarray(0, elementAt - 1));
      parts.push(this.#cut(list, { isFollowed: true }));
    }
    const inner = Buffer.concat([BEGIN, text.subarray(this.#innerAt), END]);
    parts.push({ within: list, elements: asList(parseJson(inner), this.inner) });
    this.#text.add(text.subarray(elementAt, this.#innerAt));
    this.#innerAt = this.#text.length;
    this.#isInnerCut = this.#isOwed = true;
    return parts;
  }
}

/** Bytes that came in pieces. */
class Text {
  length = 0;
  #pieces: Buffer[] = [];

  add(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.length += piece.length;
  }

  take(): Buffer {
    const whole = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.length = 0;
    return whole;
  }

  /** The last bytes, as Latin-1. */
  end(): string {
    let end = '';
    for (let piece = this.#pieces.length - 1; piece >= 0 && end.length < KEY_BYTES; piece--) {
      end = this.#pieces[piece]!.toString('latin1', Math.max(0, this.#pieces[piece]!.length - KEY_BYTES)) + end;
    }
    return end;
  }

  /** Whether nothing but white space follows there. */
  isBlankFrom(start: number): boolean {
    const whole = this.take();
    this.add(whole);
    return whole.toString('latin1', start).trim() === '';
  }
}

/**
 * What stands before a list with this name. The quote before the name is none within a text, as those come after a
 * backslash, and none that ends a text, as a name cannot follow one.
 */
function opening(name: string): RegExp {
  return new RegExp(`[{,\\s]"${name}"\\s{0,8}:\\s{0,8}$`);
}

/** As much as an opening takes. */
const KEY_BYTES = 64;

/** How many brackets are open before a list of the document, in it, in an element of it, and in that one's own list. */
const LISTS = 1;
const ELEMENTS = 2;
const INNER = 3;
const INNER_ELEMENTS = 4;

const BEGIN = Buffer.from('[');
const END = Buffer.from(']');
const NO_JSON = 'it is not JSON';
