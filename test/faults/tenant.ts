import { once } from 'node:events';
import { constants } from 'node:fs';
import { mkdir, open, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';

/** Where in a project a tenant may be at work at any time; all else of it stands still unless the plan says otherwise. */
export const RESTLESS = 'persist/restless';

const FILES = 60;
const FOLDERS = 20;
const LOGS = 10;
const DUMP_BYTES = 12_000_000;
/** Beside the logs, and read before them: no two are alike. */
const DUMP = /\/\.?dump$/;

/** What is swapped for links; it is as long as each secret, so that no size gives it away. */
const OWN = "A tenant's own content. ".padEnd(64, '.');
const LOG_LINE = 'a line of a log\n';
const SECRET = 'SECRET OF ';

/** What a tenant does: files, or folders above files, in turn for links out of the project; or writes and cuts logs. */
export type Doing = 'swap-files' | 'swap-folders' | 'write-logs';

/** What belongs to somebody else: it may be in no backup but its owner's. */
export function secretOf(owner: string): string {
  return `${SECRET}${owner} `.padEnd(64, '!');
}

/** Puts a secret where a link can lead to it: in a folder, under the name that each swapped folder has for its file. */
export async function plantSecret(folder: string, owner: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'secret'), secretOf(owner), { mode: 0o600 });
}

/** Makes what the tenant of a project works on. */
export async function makeRestless(project: string): Promise<void> {
  const files = [
    ...numbered(FILES, (n) => [`swapped/f${n}`, OWN]),
    ...numbered(FOLDERS, (n) => [`swapped/d${n}/secret`, OWN]),
    ...numbered(LOGS, (n) => [`logs/l${n}`, LOG_LINE]),
  ];
  for (const [path, content] of files) {
    const file = join(project, RESTLESS, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  }
}

/** What is wrong with the content of a file in what is restless; undefined where its tenant may have written it. */
export function wrongIn(path: string, content: Buffer): string | undefined {
  if (content.includes(SECRET)) return `holds "${content.toString().trim()}", which is not its project's`;
  if (DUMP.test(path)) return undefined;
  const text = content.toString('latin1');
  const isBeginning = OWN.startsWith(text) || LOG_LINE.repeat(text.length / LOG_LINE.length + 1).startsWith(text);
  return isBeginning ? undefined : `holds ${JSON.stringify(text.slice(0, 100))}, which nobody has written`;
}

/** What is wrong with what stands in a project now, tenant at work or not. */
export async function wrongOnDisk(project: string): Promise<string[]> {
  const wrong: string[] = [];
  await look(join(project, RESTLESS), RESTLESS, (path, content) => {
    const why = wrongIn(path, content);
    if (why !== undefined) wrong.push(`${path} ${why}`);
  });
  return wrong;
}

/** Shows each file at or below a place. No link is followed, also where a folder becomes one while it is looked at. */
async function look(place: string, path: string, show: (path: string, content: Buffer) => void): Promise<void> {
  await using opened = await open(place, constants.O_RDONLY | constants.O_NOFOLLOW).catch(unlessGone);
  if (opened === undefined) return;
  if (!(await opened.stat()).isDirectory()) return show(path, await opened.readFile());
  const folder = `/proc/self/fd/${opened.fd}`;
  for (const name of await readdir(folder)) await look(join(folder, name), `${path}/${name}`, show);
}

/**
 * Has the tenant of a project do something over and over, for as long as the work takes that is given, which begins when
 * the tenant is at it.
 *
 * @param targets where links lead to: to a file, or to a folder that holds one by the name of `secret`
 * @returns how often it was done: not at all, where the project is not there
 */
export async function whileAtWork(
  doing: Doing,
  project: string,
  targets: { file: string; folder: string },
  work: () => Promise<void>,
): Promise<number> {
  const target = doing === 'swap-folders' ? targets.folder : targets.file;
  const tenant = execa('python3', ['-c', TENANT, doing, join(project, RESTLESS), target, OWN, LOG_LINE]);
  try {
    await Promise.race([once(tenant.stdout, 'data'), tenant]);
    await work();
  } finally {
    tenant.stdin.end();
  }
  const { stdout } = await tenant;
  return Number(stdout.split('\n').at(-1));
}

function numbered(count: number, entry: (n: number) => [path: string, content: string]): [string, string][] {
  return Array.from({ length: count }, (_, n) => entry(n));
}

/** It is not there, or is a link, by now. */
function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (!['ENOENT', 'ENOTDIR', 'ELOOP'].includes(error.code ?? '')) throw error;
}

/**
 * Names everything by its path, as the project may be restored beside it, and be away: then nothing is done. A log is the
 * same line over and over, so that each beginning of it is one, whenever and by whatever size it was cut.
 */
const TENANT = `
import os, select, sys, time
doing, top, target, own, line = sys.argv[1:]
line = line.encode()
done = 0

def tried(step, *args):
    try:
        return step(*args)
    except OSError:
        return None

def put_link(name):
    tried(os.symlink, target, f'{top}/swapped/.link')
    tried(os.rename, f'{top}/swapped/.link', name)

def files_to_links():
    for n in range(${FILES}):
        put_link(f'{top}/swapped/f{n}')

def links_to_files():
    for n in range(${FILES}):
        name = f'{top}/swapped/.file'
        opened = tried(os.open, name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        if opened is None:
            return
        isWhole = tried(os.write, opened, own.encode()) == len(own)
        os.close(opened)
        if isWhole:
            tried(os.rename, name, f'{top}/swapped/f{n}')

def folders_to_links():
    for n in range(${FOLDERS}):
        tried(os.rename, f'{top}/swapped/d{n}', f'{top}/swapped/.d{n}')
        put_link(f'{top}/swapped/d{n}')

def links_to_folders():
    for n in range(${FOLDERS}):
        tried(os.unlink, f'{top}/swapped/d{n}')
        tried(os.rename, f'{top}/swapped/.d{n}', f'{top}/swapped/d{n}')

def dump():
    # What takes a while to read, so that the logs grow meanwhile.
    opened = tried(os.open, f'{top}/logs/.dump', os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    if opened is not None:
        tried(os.write, opened, os.urandom(${DUMP_BYTES}))
        os.close(opened)
        tried(os.rename, f'{top}/logs/.dump', f'{top}/logs/dump')

def write_logs():
    for n in range(${LOGS}):
        opened = tried(os.open, f'{top}/logs/l{n}', os.O_WRONLY | os.O_APPEND)
        if opened is None:
            continue
        size = os.lseek(opened, 0, os.SEEK_END)
        if n % 2 == 0 or size < 20_000:
            tried(os.write, opened, (line * 20)[size % len(line):])
        else:
            tried(os.ftruncate, opened, size // 3)
        if size > 400_000:
            tried(os.ftruncate, opened, 0)
        os.close(opened)

def mend():
    # What was restored may be from the midst of a swap.
    for n in range(${FOLDERS}):
        name = f'{top}/swapped/d{n}'
        tried(os.unlink, name)
        tried(os.mkdir, name)
        opened = tried(os.open, f'{name}/secret', os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        if opened is not None:
            tried(os.write, opened, own.encode())
            os.close(opened)

steps = {
    'swap-files': [files_to_links, links_to_files],
    'swap-folders': [folders_to_links, links_to_folders],
    'write-logs': [write_logs],
}[doing]
mend()
if doing == 'write-logs':
    dump()
print('at work', flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    if not os.path.isdir(top):
        time.sleep(0.01)
        continue
    for step in steps:
        step()
        done += 1
        time.sleep(0.001)
print(done)
`;
