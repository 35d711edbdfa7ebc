import { unescapeFileName } from './file-name.js';
import { ENTRY_TYPES, posixMode } from './file-mode.js';
import type { EntryType } from './file-mode.js';
import { Malformed, asCount, asId, asList, asObject, asText, optional, parseJsonExactly } from './json-fields.js';
import type { JsonObject } from './json-fields.js';
import { JsonLists } from './json-lists.js';
import { RepositoryUnsupported } from './repository-error.js';
import { asTimestamp } from './timestamp.js';

/** One entry of a folder in a snapshot. What the snapshot does not tell is undefined. */
export interface TreeEntry {
  type: EntryType;
  /** The name's bytes; Linux allows any but `/` and zero, valid UTF-8 or not. */
  name: Buffer;
  /** `st_mode`: kind of file, set-id and sticky bits, permissions. */
  mode: number | undefined;
  uid: number | undefined;
  gid: number | undefined;
  user: string | undefined;
  group: string | undefined;
  /** Times in nanoseconds since 1970. */
  mtimeNs: bigint | undefined;
  /** rustic writes the time of modification here unless told otherwise. */
  atimeNs: bigint | undefined;
  ctimeNs: bigint | undefined;
  /** Bytes by `lstat` before the file was read; one that grew meanwhile holds more, see `Repository.contentLength`. */
  size: number;
  inode: bigint;
  /** File system of the entry; rustic writes it only for entries with several hard links, else 0. */
  deviceId: bigint;
  /** Number of hard links; rustic writes 0 for folders. */
  links: number;
  /** `st_rdev` of a device. */
  device: bigint;
  /** The target's bytes of a symlink. */
  linkTarget: Buffer | undefined;
  extendedAttributes: readonly ExtendedAttribute[];
  /** The blobs whose bytes, one after the other, are the file. */
  content: readonly BlobRun[];
  /** Id of the tree of a folder. */
  subtree: string | undefined;
}

/** One blob, so many times in a row: a hole in a large file is millions of times the same. */
export interface BlobRun {
  id: string;
  times: number;
}

export interface ExtendedAttribute {
  /** rustic replaces what is not valid UTF-8 in a name. */
  name: string;
  value: Buffer;
}

/** Runs of one file: some 4 TB of data, and holes beside them as large as one likes. */
const MAX_RUNS = 4_000_000;

/**
 * The entries of a tree blob, in the order in which they were written (by the bytes of their names), while it comes in. What
 * is no tree is refused in the end, if not before.
 */
export class TreeParser {
  readonly #lists = new JsonLists([NODES], CONTENT);
  /** The first runs of the next entry's content. */
  #ahead: BlobRun[] = [];

  /**
   * The entries that are complete now.
   *
   * @throws Malformed, RepositoryUnsupported
   */
  push(json: Buffer): TreeEntry[] {
    const entries: TreeEntry[] = [];
    for (const part of this.#lists.push(json)) {
      if ('within' in part) {
        addRuns(this.#ahead, part.elements);
        continue;
      }
      const { elements } = part;
      const nodes = elements.some(hasHugeNumber) ? asList(parseJsonExactly(part.json), NODES) : elements;
      for (const node of nodes) {
        entries.push(entryOf(asObject(node, 'node'), this.#ahead));
        this.#ahead = [];
      }
    }
    return entries;
  }

  /** @throws Malformed when that was not all of a tree */
  end(): void {
    const { [NODES]: nodes } = this.#lists.end();
    if (asList(nodes, NODES).length > 0) throw new Malformed(`"${NODES}" is written in another way`);
  }
}

const NODES = 'nodes';
const CONTENT = 'content';

function hasHugeNumber(node: unknown): boolean {
  const { inode, device_id, device } = asObject(node, 'node');
  return [inode, device_id, device].some((value) => typeof value === 'number' && !Number.isSafeInteger(value));
}

function entryOf(node: JsonObject, ahead: BlobRun[]): TreeEntry {
  const type = asText(node['type'], 'type') as EntryType;
  if (!ENTRY_TYPES.includes(type)) throw new Malformed('an entry has an unknown type');
  const goMode = optional(asCount, node['mode'], 'mode', U32);
  return {
    type,
    name: unescapeFileName(asText(node['name'], 'name')),
    mode: goMode === undefined ? undefined : posixMode(type, goMode),
    uid: optional(asCount, node['uid'], 'uid', U32),
    gid: optional(asCount, node['gid'], 'gid', U32),
    user: optional(asText, node['user'], 'user'),
    group: optional(asText, node['group'], 'group'),
    mtimeNs: optional(asTimestamp, node['mtime'], 'mtime'),
    atimeNs: optional(asTimestamp, node['atime'], 'atime'),
    ctimeNs: optional(asTimestamp, node['ctime'], 'ctime'),
    size: optional(asCount, node['size'], 'size') ?? 0,
    inode: asU64(node['inode'], 'inode'),
    deviceId: asU64(node['device_id'], 'device_id'),
    links: optional(asCount, node['links'], 'links') ?? 0,
    device: asU64(node['device'], 'device'),
    linkTarget: type === 'symlink' ? linkTargetOf(node) : undefined,
    extendedAttributes: asList(node['extended_attributes'], 'extended_attributes').map(attributeOf),
    content: addRuns(ahead, asList(node[CONTENT], CONTENT)),
    subtree: optional(asId, node['subtree'], 'subtree'),
  };
}

function addRuns(runs: BlobRun[], ids: readonly unknown[]): BlobRun[] {
  let last = runs.at(-1);
  for (const id of ids) {
    if (last !== undefined && last.id === id) {
      last.times += 1;
    } else {
      last = { id: asId(id, CONTENT), times: 1 };
      if (runs.push(last) > MAX_RUNS) throw new RepositoryUnsupported(`a file in it has more than ${MAX_RUNS} pieces`);
    }
  }
  return runs;
}

const U32 = 2 ** 32 - 1;

function asU64(value: unknown, name: string): bigint {
  if (typeof value === 'bigint' && value >= 0n && value < 2n ** 64n) return value;
  return BigInt(optional(asCount, value, name) ?? 0);
}

/** A target that is not valid UTF-8 is also there as base64; the text then has replacement characters. */
function linkTargetOf(node: JsonObject): Buffer {
  const raw = optional(asText, node['linktarget_raw'], 'linktarget_raw');
  return raw === undefined ? Buffer.from(asText(node['linktarget'], 'linktarget')) : Buffer.from(raw, 'base64');
}

function attributeOf(attribute: unknown): ExtendedAttribute {
  const { name, value } = asObject(attribute, 'extended attribute');
  return {
    name: asText(name, 'name of an extended attribute'),
    value: Buffer.from(optional(asText, value, 'value of an extended attribute') ?? '', 'base64'),
  };
}
