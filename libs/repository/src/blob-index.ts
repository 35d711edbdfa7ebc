import { Malformed, asCount, asId, asList, asObject, optional } from './json-fields.js';
import type { JsonObject } from './json-fields.js';
import type { JsonPart } from './json-lists.js';
import { RepositoryUnsupported } from './repository-error.js';

/** Where a blob lies: bytes of a pack. */
export interface BlobLocation {
  pack: string;
  offset: number;
  /** Bytes in the pack, encryption included. */
  length: number;
  /** Bytes of the plain blob when it is compressed; undefined when it is not. */
  uncompressedLength: number | undefined;
}

/**
 * The index of a repository, about 50 bytes of memory for each blob: eight words for each in typed arrays, and hash tables of
 * row numbers. Of an id the first 128 bits are kept, as whoever reads a blob compares its hash with the whole id.
 *
 * A blob that several packs hold is taken from one that stays: packs that a prune has marked for deletion, and those that
 * only a superseded index file names, come last.
 */
export class BlobIndex {
  /** By the first byte of the id: each grows by itself, a few thousand blobs at a time. */
  readonly #tables = Array.from({ length: 256 }, () => new BlobTable());
  readonly #packs: { id: string; indexId: string; toDelete: boolean }[] = [];
  readonly #superseded = new Set<string>();
  #size = 0;
  /** The number of the first row of each table; undefined when something was added since. */
  #firstRows: Uint32Array | undefined;

  constructor(readonly maxBlobs: number) {}

  get size(): number {
    return this.#size;
  }

  /**
   * Adds an index file while it comes in: gives what takes its parts.
   *
   * @throws Malformed when it is not one
   */
  packsOf(indexId: string): (part: JsonPart) => void {
    // The pack whose first blobs have come, and its id has not.
    let begun: number | undefined;
    const begin = (list: string): number => this.#packs.push({ id: '', indexId, toDelete: list === TO_DELETE }) - 1;
    return (part) => {
      if ('within' in part) {
        begun ??= begin(part.within);
        for (const blob of part.elements) this.#addBlob(begun, asObject(blob, 'blob'));
        return;
      }
      for (const element of part.elements) {
        const { id, blobs } = asObject(element, 'pack');
        const pack = begun ?? begin(part.list);
        begun = undefined;
        this.#packs[pack]!.id = asId(id, 'pack id');
        for (const blob of asList(blobs, 'blobs')) this.#addBlob(pack, asObject(blob, 'blob'));
      }
    };
  }

  /**
   * Adds an index file, or what is left of it after its parts.
   *
   * @returns whether it supersedes others, which was not known: its blobs have to be added once more
   * @throws Malformed when it is not one
   */
  add(indexId: string, document: unknown): boolean {
    const { supersedes, ...lists } = asObject(document, 'index');
    const known = this.#superseded.size;
    for (const id of asList(supersedes, 'supersedes')) this.#superseded.add(asId(id, 'supersedes'));
    const take = this.packsOf(indexId);
    for (const list of ['packs', TO_DELETE]) {
      take({ list, elements: asList(lists[list], list), json: Buffer.alloc(0) });
    }
    return this.#superseded.size > known;
  }

  /**
   * A number below `size` that stands for the blob, as long as nothing is added; -1 for one that is not here.
   *
   * @param id 64 hex digits
   */
  rowOf(id: string): number {
    const { at } = this.#tableOf(id).find();
    if (at === undefined) return -1;
    this.#firstRows ??= this.#countRows();
    return this.#firstRows[idBytes[0]!]! + at / ROW_WORDS;
  }

  /** @param id 64 hex digits */
  find(id: string): BlobLocation | undefined {
    const { rows, at } = this.#tableOf(id).find();
    if (at === undefined) return undefined;
    return {
      pack: this.#packs[rows[at + PACK]!]!.id,
      offset: rows[at + OFFSET]!,
      length: rows[at + LENGTH]!,
      uncompressedLength: rows[at + UNCOMPRESSED] || undefined,
    };
  }

  #addBlob(pack: number, { id, offset, length, uncompressed_length }: JsonObject): void {
    const table = this.#tableOf(id);
    const known = table.find();
    if (known.at === undefined && this.#size >= this.maxBlobs) {
      throw new RepositoryUnsupported(`it has more than ${this.maxBlobs} blobs`);
    }
    if (known.at !== undefined && (this.#isFading(pack) || !this.#isFading(known.rows[known.at + PACK]!))) return;
    if (known.at === undefined) this.#size += 1;
    this.#firstRows = undefined;
    const { rows, at } = known.at === undefined ? table.add() : { rows: known.rows, at: known.at };
    rows[at + PACK] = pack;
    rows[at + OFFSET] = asCount(offset, 'offset', U32);
    rows[at + LENGTH] = asCount(length, 'length', U32);
    rows[at + UNCOMPRESSED] = optional(asCount, uncompressed_length, 'uncompressed_length', U32) ?? 0;
  }

  #countRows(): Uint32Array {
    let rows = 0;
    return Uint32Array.from(this.#tables, ({ size }) => (rows += size) - size);
  }

  #isFading(pack: number): boolean {
    const { toDelete, indexId } = this.#packs[pack]!;
    return toDelete || this.#superseded.has(indexId);
  }

  /** The table where the id belongs. Leaves the id's first words in `idWords`. */
  #tableOf(id: unknown): BlobTable {
    if (typeof id !== 'string' || idBytes.write(id, 'hex') !== 32 || id.length !== 64) throw new Malformed(NO_BLOB_ID);
    return this.#tables[idBytes[0]!]!;
  }
}

/** Blobs by the id in `idWords`. */
class BlobTable {
  /** For each blob: four words of the id, pack, offset, length, uncompressed length or 0. */
  #rows = new Uint32Array(8 * ROW_WORDS);
  #count = 0;
  /** Row number + 1; 0 is an empty slot. Ids are hashes already, so their second word chooses the slot. */
  #slots = new Uint32Array(16);

  get size(): number {
    return this.#count;
  }

  find(): { rows: Uint32Array; at: number | undefined } {
    const row = this.#slots[this.#slot()]! - 1;
    return { rows: this.#rows, at: row < 0 ? undefined : row * ROW_WORDS };
  }

  /** A row for an id that is not there. */
  add(): { rows: Uint32Array; at: number } {
    this.#makeRoom();
    const at = this.#count * ROW_WORDS;
    this.#slots[this.#slot()] = ++this.#count;
    this.#rows.set(idWords, at);
    return { rows: this.#rows, at };
  }

  /** The slot that holds the id, or the empty one where it belongs. */
  #slot(): number {
    const [a, b, c, d] = [idWords[0]!, idWords[1]!, idWords[2]!, idWords[3]!];
    const rows = this.#rows;
    const mask = this.#slots.length - 1;
    for (let slot = b & mask; ; slot = (slot + 1) & mask) {
      const at = (this.#slots[slot]! - 1) * ROW_WORDS;
      if (at < 0 || (rows[at] === a && rows[at + 1] === b && rows[at + 2] === c && rows[at + 3] === d)) return slot;
    }
  }

  /** Makes sure that one more row fits and that at least a third of the slots stay empty. */
  #makeRoom(): void {
    if (this.#rows.length === this.#count * ROW_WORDS) {
      const rows = new Uint32Array(Math.ceil(this.#count * 1.5) * ROW_WORDS);
      rows.set(this.#rows);
      this.#rows = rows;
    }
    if (this.#slots.length > this.#count * 1.5) return;
    const slots = new Uint32Array(this.#slots.length * 2);
    for (let row = 0; row < this.#count; row++) {
      let slot = this.#rows[row * ROW_WORDS + 1]! & (slots.length - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
      slots[slot] = row + 1;
    }
    this.#slots = slots;
  }
}

const TO_DELETE = 'packs_to_delete';
const PACK = 4;
const OFFSET = 5;
const LENGTH = 6;
const UNCOMPRESSED = 7;
const ROW_WORDS = 8;
const U32 = 2 ** 32 - 1;
const NO_BLOB_ID = 'a blob in it has no id of 64 hex digits';

/** One id at a time is decoded here, by the millions, without making garbage. */
const idBytes = Buffer.from(new ArrayBuffer(33));
const idWords = new Uint32Array(idBytes.buffer, 0, 4);
