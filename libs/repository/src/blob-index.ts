import { Malformed, asCount, asId, asList, asObject, optional } from './json-fields.js';
import type { JsonObject } from './json-fields.js';
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
 * The index of a repository, about 50 bytes of memory for each blob: eight words for each in one typed array, and a hash
 * table of row numbers. Of an id the first 128 bits are kept, as whoever reads a blob compares its hash with the whole id.
 *
 * A blob that several packs hold is taken from one that stays: packs that a prune has marked for deletion, and those that
 * only a superseded index file names, come last.
 */
export class BlobIndex {
  /** For each blob: four words of the id, pack, offset, length, uncompressed length or 0. */
  #rows = new Uint32Array(1024 * ROW_WORDS);
  #count = 0;
  /** Row number + 1; 0 is an empty slot. Ids are hashes already, so their first word chooses the slot. */
  #slots = new Uint32Array(2048);
  readonly #packs: { id: string; indexId: string; toDelete: boolean }[] = [];
  readonly #superseded = new Set<string>();

  constructor(readonly maxBlobs: number) {}

  get size(): number {
    return this.#count;
  }

  /**
   * Adds the content of an index file.
   *
   * @throws Malformed when it is not one
   */
  add(indexId: string, document: unknown): void {
    const { supersedes, packs, packs_to_delete } = asObject(document, 'index');
    for (const id of asList(supersedes, 'supersedes')) this.#superseded.add(asId(id, 'supersedes'));
    for (const pack of asList(packs, 'packs')) this.#addPack(indexId, pack, false);
    for (const pack of asList(packs_to_delete, 'packs_to_delete')) this.#addPack(indexId, pack, true);
  }

  /**
   * A number below `size` that stands for the blob, as long as nothing is added; -1 for one that is not here.
   *
   * @param id 64 hex digits
   */
  rowOf(id: string): number {
    return this.#slots[this.#slotOf(id)]! - 1;
  }

  /** @param id 64 hex digits */
  find(id: string): BlobLocation | undefined {
    const row = this.rowOf(id);
    if (row < 0) return undefined;
    const at = row * ROW_WORDS;
    return {
      pack: this.#packs[this.#rows[at + PACK]!]!.id,
      offset: this.#rows[at + OFFSET]!,
      length: this.#rows[at + LENGTH]!,
      uncompressedLength: this.#rows[at + UNCOMPRESSED] || undefined,
    };
  }

  #addPack(indexId: string, value: unknown, toDelete: boolean): void {
    const { id, blobs } = asObject(value, 'pack');
    const pack = this.#packs.push({ id: asId(id, 'pack id'), indexId, toDelete }) - 1;
    for (const item of asList(blobs, 'blobs')) this.#addBlob(pack, asObject(item, 'blob'));
  }

  #addBlob(pack: number, { id, offset, length, uncompressed_length }: JsonObject): void {
    this.#makeRoom();
    const slot = this.#slotOf(id);
    if (this.#slots[slot] === 0) this.#slots[slot] = ++this.#count;
    else if (this.#isFading(pack) || !this.#isFading(this.#rows[(this.#slots[slot]! - 1) * ROW_WORDS + PACK]!)) return;
    const at = (this.#slots[slot]! - 1) * ROW_WORDS;
    this.#rows.set(idWords, at);
    this.#rows[at + PACK] = pack;
    this.#rows[at + OFFSET] = asCount(offset, 'offset', U32);
    this.#rows[at + LENGTH] = asCount(length, 'length', U32);
    this.#rows[at + UNCOMPRESSED] = optional(asCount, uncompressed_length, 'uncompressed_length', U32) ?? 0;
  }

  #isFading(pack: number): boolean {
    const { toDelete, indexId } = this.#packs[pack]!;
    return toDelete || this.#superseded.has(indexId);
  }

  /** The slot that holds the id, or the empty one where it belongs. Leaves the id's first words in `idWords`. */
  #slotOf(id: unknown): number {
    if (typeof id !== 'string' || idBytes.write(id, 'hex') !== 32 || id.length !== 64) throw new Malformed(NO_BLOB_ID);
    const [a, b, c, d] = [idWords[0]!, idWords[1]!, idWords[2]!, idWords[3]!];
    const rows = this.#rows;
    const mask = this.#slots.length - 1;
    for (let slot = a & mask; ; slot = (slot + 1) & mask) {
      const at = (this.#slots[slot]! - 1) * ROW_WORDS;
      if (at < 0 || (rows[at] === a && rows[at + 1] === b && rows[at + 2] === c && rows[at + 3] === d)) return slot;
    }
  }

  /** Makes sure that one more row fits and that at least a third of the slots stay empty. */
  #makeRoom(): void {
    if (this.#count >= this.maxBlobs) throw new RepositoryUnsupported(`it has more than ${this.maxBlobs} blobs`);
    if (this.#rows.length === this.#count * ROW_WORDS) {
      const rows = new Uint32Array(Math.ceil(this.#count * 1.5) * ROW_WORDS);
      rows.set(this.#rows);
      this.#rows = rows;
    }
    if (this.#slots.length > this.#count * 1.5) return;
    const slots = new Uint32Array(this.#slots.length * 2);
    for (let row = 0; row < this.#count; row++) {
      let slot = this.#rows[row * ROW_WORDS]! & (slots.length - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
      slots[slot] = row + 1;
    }
    this.#slots = slots;
  }
}

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
