import { createHash } from 'node:crypto';
import type { SnapshotEntry } from './snapshot-entry.js';
import { runTool, type ToolLimits } from '../../processes/run-tool.js';

/**
 * Node cannot read extended attributes; a few lines of Python can. Each line asks for one entry: its path and what it should
 * have. An answer is `path NUL name NUL what NUL`; without a name, a complaint.
 */
const CHECKER = `
import base64, errno, hashlib, json, os, sys
base, out = os.fsencode(sys.argv[1]), sys.stdout.buffer
def attributes(full):
    for name in os.listxattr(full, follow_symlinks=False):
        value = os.getxattr(full, name, follow_symlinks=False)
        digest = base64.b64encode(hashlib.sha256(value).digest()).decode()
        yield os.fsencode(name).decode('utf-8', 'replace'), digest
def check(path, expected):
    def answer(name, what):
        out.write(b'\\0'.join((path, name.encode('utf-8', 'replace'), what.encode(), b'')))
    try:
        for name, digest in attributes(base + b'/' + path):
            wanted = expected.pop(name, None)
            if wanted != digest:
                answer(name, 'extra' if wanted is None else 'other')
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return
        if error.errno != errno.ENOTSUP:
            return answer('', error.strerror)
    for name in expected:
        answer(name, 'missing')
for line in sys.stdin:
    path, expected = json.loads(line)
    check(bytes.fromhex(path), expected)
`;

/** In what the attributes of an entry differ, or why they could not be read. */
export type XattrDifference = { path: Buffer } & (
  { name: string; is: 'missing' | 'extra' | 'other' } | { unreadable: string }
);

/**
 * Compares the extended attributes of these entries with those on disk, links not followed, and hands over one difference at a
 * time. What is not on disk at all is passed over.
 * @throws ToolFailedError, with `absent` when there is no Python; the error of `entries`
 */
export async function compareXattrs(
  folder: string,
  entries: AsyncIterable<SnapshotEntry>,
  limits: ToolLimits,
  onDifference: (difference: XattrDifference) => void,
): Promise<void> {
  let rest: Buffer = Buffer.alloc(0);
  const onOutput = (chunk: Buffer): void => {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let answer: [Buffer, Buffer, Buffer] | undefined;
    while ((answer = takeFields(rest))) {
      const [path, name, what] = answer;
      rest = rest.subarray(path.length + name.length + what.length + 3);
      if (name.length === 0) onDifference({ path, unreadable: what.toString() });
      else onDifference({ path, name: name.toString(), is: what.toString() as 'missing' | 'extra' | 'other' });
    }
  };
  await runTool('python3', ['-I', '-S', '-c', CHECKER, folder], limits, onOutput, expectations(entries));
}

async function* expectations(entries: AsyncIterable<SnapshotEntry>): AsyncGenerator<string> {
  for await (const { path, xattrs = [] } of entries) {
    const expected = Object.fromEntries(xattrs.map(({ name, value }) => [name, digestOf(value)]));
    yield `${JSON.stringify([path.toString('hex'), expected])}\n`;
  }
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
function digestOf(value: Buffer): string {
  return createHash('sha256').update(value).digest('base64');
}

function takeFields(bytes: Buffer): [Buffer, Buffer, Buffer] | undefined {
  const first = bytes.indexOf(0);
  const second = first < 0 ? -1 : bytes.indexOf(0, first + 1);
  const third = second < 0 ? -1 : bytes.indexOf(0, second + 1);
  if (third < 0) return undefined;
  return [bytes.subarray(0, first), bytes.subarray(first + 1, second), bytes.subarray(second + 1, third)];
}
