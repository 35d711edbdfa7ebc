import { unescapeFileName } from './file-name.js';
import { ENTRY_TYPES, posixMode } from './file-mode.js';
import type { EntryType } from './file-mode.js';
import {
  Malformed,
  asCount,
  asId,
  asList,
  asObject,
  asText,
  optional,
  parseJson,
  parseJsonExactly,
} from './json-fields.js';
import type { JsonObject } from './json-fields.js';
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
  /** Ids of the blobs whose bytes, one after the other, are the file. */
  content: readonly string[];
  /** Id of the tree of a folder. */
  subtree: string | undefined;
}

export interface ExtendedAttribute {
  /** rustic replaces what is not valid UTF-8 in a name. */
  name: string;
  value: Buffer;
}

/**
 * The entries of a tree blob, in the order in which they were written (by the bytes of their names).
 *
 * @throws Malformed when it is not a tree
 */
export function parseTree(json: Uint8Array): TreeEntry[] {
  const nodes = nodesOf(parseJson(json));
  return (nodes.some(hasHugeNumber) ? nodesOf(parseJsonExactly(json)) : nodes).map(entryOf);
}

function nodesOf(tree: unknown): JsonObject[] {
  return asList(asObject(tree, 'tree')['nodes'], 'nodes').map((node) => asObject(node, 'node'));
}

function hasHugeNumber({ inode, device_id, device }: JsonObject): boolean {
  return [inode, device_id, device].some((value) => typeof value === 'number' && !Number.isSafeInteger(value));
}

function entryOf(node: JsonObject): TreeEntry {
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
    content: asList(node['content'], 'content').map((id) => asId(id, 'content')),
    subtree: optional(asId, node['subtree'], 'subtree'),
  };
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
