import { createHash } from 'node:crypto';
import type { SnapshotEntry, Xattr } from './snapshot-entry.js';
import { runTool } from './tool.js';
import type { ToolLimits } from './tool.js';

/** Node cannot read extended attributes; a few lines of Python can. An answer is `path NUL name NUL hex NUL`; without a name, a complaint. */
const READER = `
import errno, os, sys
base, out = os.fsencode(sys.argv[1]), sys.stdout.buffer
pending = [os.fsencode(root) for root in sys.argv[2:]]
def answer(*fields):
    out.write(b'\\0'.join(fields) + b'\\0')
def attributes(path, full):
    for name in os.listxattr(full, follow_symlinks=False):
        value = os.getxattr(full, name, follow_symlinks=False)
        answer(path, os.fsencode(name), value.hex().encode())
def children(path, full):
    if os.path.isdir(full) and not os.path.islink(full):
        pending.extend(path + b'/' + name for name in os.listdir(full))
while pending:
    path = pending.pop()
    for look in (attributes, children):
        try:
            look(path, base + b'/' + path)
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                answer(path, b'', error.strerror.encode())
`;

/** An attribute that was found, or why those of a path could not be read. */
export type FoundXattr = { path: Buffer } & ({ name: string; digest: string } | { unreadable: string });

/**
 * Reads the extended attributes of everything in these folders, links not followed, and hands over one at a time.
 * @throws ToolFailedError, with `absent` when there is no Python
 */
export async function readXattrs(
  folder: string,
  roots: readonly string[],
  limits: ToolLimits,
  onXattr: (found: FoundXattr) => void,
): Promise<void> {
  let rest: Buffer = Buffer.alloc(0);
  await runTool('python3', ['-I', '-S', '-c', READER, folder, ...roots], limits, (chunk) => {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let answer: [Buffer, Buffer, Buffer] | undefined;
    while ((answer = takeFields(rest))) {
      const [path, name, value] = answer;
      rest = rest.subarray(path.length + name.length + value.length + 3);
      if (name.length === 0) onXattr({ path, unreadable: value.toString() });
      else onXattr({ path, name: name.toString(), digest: digestOf(Buffer.from(value.toString('latin1'), 'hex')) });
    }
  });
}

/**
 * Sets attributes; opens what its owner may neither read nor write for that moment. Owner, type and times stay, and what
 * this user may not set is left to the check to name.
 */
const WRITER = `
import json, os, stat, sys
base = os.fsencode(sys.argv[1])
def apply(full, attributes):
    found = os.lstat(full)
    mode = stat.S_IMODE(found.st_mode)
    closed = not stat.S_ISLNK(found.st_mode) and found.st_uid == os.geteuid() and mode & 0o600 != 0o600
    if closed:
        os.chmod(full, mode | 0o600)
    for name, value in attributes:
        try:
            os.setxattr(full, bytes.fromhex(name), bytes.fromhex(value), follow_symlinks=False)
        except OSError:
            pass
    if closed:
        os.chmod(full, mode)
for line in sys.stdin:
    path, attributes = json.loads(line)
    try:
        apply(base + b'/' + bytes.fromhex(path), attributes)
    except OSError:
        pass
`;

/**
 * Sets the extended attributes of these entries below a folder that is the worker's own, as far as this user may.
 * @throws ToolFailedError, with `absent` when there is no Python; the error of `entries`
 */
export async function writeXattrs(
  folder: string,
  entries: AsyncIterable<SnapshotEntry>,
  limits: ToolLimits,
): Promise<void> {
  await runTool('python3', ['-I', '-S', '-c', WRITER, folder], limits, undefined, requests(entries));
}

async function* requests(entries: AsyncIterable<SnapshotEntry>): AsyncGenerator<string> {
  for await (const { path, xattrs = [] } of entries) {
    const attributes = xattrs.map(({ name, value }) => [Buffer.from(name).toString('hex'), value.toString('hex')]);
    if (attributes.length > 0) yield `${JSON.stringify([path.toString('hex'), attributes])}\n`;
  }
}

/** A short stand-in for a value, which may have 64 KiB. */
export function digestOf(value: Buffer): string {
  return createHash('sha256').update(value).digest('base64');
}

/** The names and digests of a snapshot's attributes. */
export function digestsOf(xattrs: readonly Xattr[]): Map<string, string> {
  return new Map(xattrs.map(({ name, value }) => [name, digestOf(value)]));
}

function takeFields(bytes: Buffer): [Buffer, Buffer, Buffer] | undefined {
  const first = bytes.indexOf(0);
  const second = first < 0 ? -1 : bytes.indexOf(0, first + 1);
  const third = second < 0 ? -1 : bytes.indexOf(0, second + 1);
  if (third < 0) return undefined;
  return [bytes.subarray(0, first), bytes.subarray(first + 1, second), bytes.subarray(second + 1, third)];
}
