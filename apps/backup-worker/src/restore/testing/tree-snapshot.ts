import { execFileSync } from 'node:child_process';
import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { joined } from '../check/tree-walk.js';
import { typeOf } from '../check/entry-comparison.js';
import type { SnapshotEntry } from '../check/snapshot-entry.js';

/** What a snapshot of these roots would hold, read by means of its own. */
export function snapshotOf(folder: string, roots: readonly string[] = ['project', 'persist']): SnapshotEntry[] {
  const entries = roots.flatMap((root) => entriesBelow(Buffer.from(folder), Buffer.from(root)));
  if (hasPython) addXattrs(folder, entries);
  return entries;
}

/** Hands out entries as a repository would. */
export function asSource(entries: readonly SnapshotEntry[]): () => AsyncIterable<SnapshotEntry> {
  return async function* () {
    yield* entries;
  };
}

export const hasPython = (() => {
  try {
    execFileSync('python3', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

export function setXattr(path: string, name: string, value: string): void {
  execFileSync('python3', [
    '-c',
    'import os,sys; os.setxattr(sys.argv[1], sys.argv[2], os.fsencode(sys.argv[3]))',
    path,
    name,
    value,
  ]);
}

function entriesBelow(base: Buffer, path: Buffer): SnapshotEntry[] {
  const full = joined(base, path);
  const stats = lstatSync(full, { bigint: true });
  const type = typeOf(stats);
  const entry: SnapshotEntry = {
    path,
    type,
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    mtimeNs: stats.mtimeNs,
    size: stats.size,
    inode: stats.ino,
    deviceId: stats.dev,
    links: Number(stats.nlink),
    rdev: stats.rdev,
  };
  if (type === 'symlink') entry.linkTarget = readlinkSync(full, { encoding: 'buffer' });
  const names = type === 'dir' ? readdirSync(full, { encoding: 'buffer' }) : [];
  return [entry, ...names.flatMap((name) => entriesBelow(base, joined(path, name)))];
}

const LIST_XATTRS = `
import os, sys, json
def xattrs(path):
    return [[name, os.getxattr(path, name, follow_symlinks=False).hex()] for name in os.listxattr(path, follow_symlinks=False)]
os.chdir(sys.argv[1])
print(json.dumps([xattrs(path) for path in sys.stdin.buffer.read().split(b'\\0')]))
`;

function addXattrs(folder: string, entries: readonly SnapshotEntry[]): void {
  const input = Buffer.concat(entries.flatMap(({ path }) => [Buffer.from([0]), path]).slice(1));
  const answer = execFileSync('python3', ['-I', '-S', '-c', LIST_XATTRS, folder], { input, encoding: 'utf8' });
  (JSON.parse(answer) as [string, string][][]).forEach((xattrs, index) => {
    const entry = entries[index];
    if (entry) entry.xattrs = xattrs.map(([name, value]) => ({ name, value: Buffer.from(value, 'hex') }));
  });
}
