import { createHash } from 'node:crypto';
import { constants, type BigIntStats } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { Python } from './python.js';
import { childPath, fullPath, type RawPath } from './raw-path.js';
import type { EntryType, TreeEntry } from './tree-entry.js';

export type TreeDescription = Map<RawPath, TreeEntry>;

/** Entries that are read at once: bounds both memory and open files. */
const AT_ONCE = 32;
const READ_BYTES = 1024 * 1024;

export interface DescribeOptions {
  /** An entry that is left out with all that is in it, as one that does not stand still. */
  leaveOut?: RawPath;
}

/**
 * All that a faithful copy of the folder would have in common with it, the folder itself included as ''.
 * About half a kilobyte of memory for each entry. The tree has to stand still meanwhile.
 *
 * @throws Error of the file system, when a folder cannot be read or an entry vanishes
 */
export async function describeTree(folder: string, options: DescribeOptions = {}): Promise<TreeDescription> {
  const description: TreeDescription = new Map();
  for await (const [path, entry] of walkTree(folder, options)) description.set(path, entry);
  return description;
}

/** The same, entry by entry: folders before what is in them, names in the order of their bytes. Never follows a link. */
export async function* walkTree(
  folder: string,
  { leaveOut }: DescribeOptions = {},
): AsyncGenerator<[RawPath, TreeEntry]> {
  await using python = new Python(READ_ATTRIBUTES, folder);
  yield* walk({ folder, leaveOut, python, firstNames: new Map() }, ['']);
}

interface Walk {
  folder: string;
  leaveOut: RawPath | undefined;
  python: Python;
  /** `device:inode` of each file with several names → the first name. */
  firstNames: Map<string, RawPath>;
}

async function* walk(tree: Walk, paths: RawPath[]): AsyncGenerator<[RawPath, TreeEntry]> {
  for (let start = 0; start < paths.length; start += AT_ONCE) {
    const some = paths.slice(start, start + AT_ONCE);
    const [seen, attributes] = await Promise.all([
      Promise.all(some.map((path) => look(fullPath(tree.folder, path)))),
      tree.python.ask(some.map((path) => Buffer.from(path, 'latin1').toString('hex'))),
    ]);
    for (const [index, path] of some.entries()) {
      const { entry, inode } = seen[index]!;
      const { xattrs, error } = JSON.parse(attributes[index]!) as { xattrs: Record<string, string>; error?: string };
      entry.xattrs = xattrs;
      if (error !== undefined) entry.unreadable ??= error;
      if (entry.links !== undefined && entry.links > 1) {
        const first = tree.firstNames.get(inode) ?? path;
        tree.firstNames.set(inode, first);
        entry.linkedTo = first;
      }
      yield [path, entry];
      if (entry.type === 'folder') yield* walk(tree, await children(tree, path));
    }
  }
}

async function children({ folder, leaveOut }: Walk, path: RawPath): Promise<RawPath[]> {
  const names = await readdir(fullPath(folder, path), { encoding: 'buffer' });
  const paths = names.sort(Buffer.compare).map((name) => childPath(path, name));
  return paths.filter((child) => child !== leaveOut);
}

async function look(path: Buffer): Promise<{ entry: TreeEntry; inode: string }> {
  const stats = await lstat(path, { bigint: true });
  const entry: TreeEntry = {
    type: typeOf(stats),
    mode: Number(stats.mode) & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    mtimeNs: stats.mtimeNs.toString(),
    xattrs: {},
  };
  if (entry.type !== 'folder') entry.links = Number(stats.nlink);
  if (entry.type === 'file') {
    entry.size = Number(stats.size);
    entry.allocated = Number(stats.blocks) * 512;
    Object.assign(entry, await contentOf(path, entry.size));
  }
  if (entry.type === 'link') entry.target = (await readlink(path, { encoding: 'buffer' })).toString('latin1');
  if (entry.type.endsWith('device')) entry.device = Number(stats.rdev);
  return { entry, inode: `${stats.dev}:${stats.ino}` };
}

function typeOf(stats: BigIntStats): EntryType {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'folder';
  if (stats.isSymbolicLink()) return 'link';
  if (stats.isFIFO()) return 'fifo';
  if (stats.isSocket()) return 'socket';
  return stats.isBlockDevice() ? 'block-device' : 'character-device';
}

async function contentOf(path: Buffer, size: number): Promise<Pick<TreeEntry, 'sha256' | 'unreadable'>> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(Math.min(Math.max(size, 1), READ_BYTES));
    for (;;) {
      const { bytesRead } = await file.read(buffer);
      if (bytesRead === 0) return { sha256: hash.digest('hex') };
      hash.update(buffer.subarray(0, bytesRead));
    }
  } catch (error) {
    return { unreadable: String(error) };
  }
}

/** Answers a path (hex, below the folder given) with its extended attributes. */
const READ_ATTRIBUTES = `
import errno, json, os, sys
folder = os.fsencode(sys.argv[1])
for line in sys.stdin.buffer:
    path = os.path.join(folder, bytes.fromhex(line.decode().strip()))
    answer = {'xattrs': {}}
    try:
        for name in sorted(os.listxattr(path, follow_symlinks=False)):
            value = os.getxattr(path, name, follow_symlinks=False)
            answer['xattrs'][os.fsencode(name).decode('latin1')] = value.hex()
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            answer['error'] = 'extended attributes: ' + os.strerror(error.errno)
    print(json.dumps(answer), flush=True)
`;
