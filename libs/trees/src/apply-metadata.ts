import { Python } from './python.js';
import type { Planted } from './planted.js';

const BATCH = 500;

/**
 * Gives each entry its owner, attributes, mode and time, in this order: a change of owner clears setuid and capabilities,
 * a mode can forbid the rest. What is in a folder comes before the folder, whose time it would change.
 *
 * @returns what the file system or the user's rights did not allow, by entry
 */
export async function applyMetadata<P extends Planted>(
  folder: string,
  planted: readonly P[],
): Promise<{ entry: P; reason: string }[]> {
  const insideOut = [...planted].sort((a, b) => (a.path < b.path ? 1 : -1));
  const refused: { entry: P; reason: string }[] = [];
  await using python = new Python(APPLY, folder);
  // Entries that are made come first: they are new names in folders whose time is set below.
  const order = [...insideOut.filter((entry) => entry.make), ...insideOut.filter((entry) => !entry.make)];
  for (let start = 0; start < order.length; start += BATCH) {
    const some = order.slice(start, start + BATCH);
    const answers = await python.ask(some.map(requestFor));
    for (const [index, entry] of some.entries()) {
      const reason = answers[index]!;
      if (reason !== '') refused.push({ entry, reason });
    }
  }
  return refused;
}

function requestFor({ path, make, owner, mode, mtimeNs, xattrs }: Planted): string {
  return JSON.stringify({
    path: Buffer.from(path, 'latin1').toString('hex'),
    make,
    owner,
    mode,
    mtimeNs: mtimeNs?.toString(),
    xattrs: Object.entries(xattrs ?? {}).map(([name, value]) => [name, value.toString('hex')]),
  });
}

/** Answers each request with an empty line, or with what was refused. Works inside the folder, as a socket's path is short. */
const APPLY = `
import json, os, socket, stat, sys
os.chdir(sys.argv[1])

def apply(wanted):
    path = bytes.fromhex(wanted['path']) or b'.'
    if wanted.get('make') == 'fifo':
        os.mkfifo(path)
    elif wanted.get('make') == 'socket':
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
    if 'owner' in wanted:
        os.chown(path, *wanted['owner'], follow_symlinks=False)
    for name, value in wanted['xattrs']:
        os.setxattr(path, name, bytes.fromhex(value), follow_symlinks=False)
    if 'mode' in wanted:
        os.chmod(path, wanted['mode'])
        if stat.S_IMODE(os.lstat(path).st_mode) != wanted['mode']:
            return 'the mode was not kept'
    if 'mtimeNs' in wanted:
        time = int(wanted['mtimeNs'])
        os.utime(path, ns=(time, time), follow_symlinks=False)
        if os.lstat(path).st_mtime_ns != time:
            return 'this file system does not keep such a time'
    return ''

for line in sys.stdin:
    try:
        answer = apply(json.loads(line))
    except OSError as error:
        answer = os.strerror(error.errno) if error.errno else str(error)
    print(answer, flush=True)
`;
