import { compareTrees, describeTree, differenceText } from '@buckets/trees';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { lstat, mkdir, mkdtemp, open, readFile, rm, symlink, writeFile, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { LiveFiles, LiveFilesError } from './index.js';

const run = promisify(execFile);

/** Tries of each kind: at least so many, and at most so many until both the entry and the link have been met. */
const TRIES = 300;
const MOST_TRIES = 5_000;
const DEADLINE_MS = 120_000;

/** What a call may say instead of touching the outside: a rename shows as a change of the file too. */
const REFUSALS = ['path-is-a-link', 'file-not-found', 'not-a-regular-file', 'changed-while-reading'];

let place: string;
let home: string;
let outside: string;
let files: LiveFiles;
let attacker: ChildProcess | undefined;

beforeEach(async () => {
  place = await mkdtemp(`${tmpdir()}/buckets-swap-`);
  home = `${place}/data/p1/project`;
  outside = `${place}/outside`;
  const folders = [`${home}/swap/inner`, `${outside}/inner`, `${place}/data/.buckets`];
  for (const folder of folders) await mkdir(folder, { recursive: true });
  await writeFile(`${home}/swap/file`, 'inside');
  await writeFile(`${outside}/file`, 'secret');
  await writeFile(`${outside}/inner/file`, 'secret');
  await symlink(outside, `${home}/decoy`);
  files = new LiveFiles({
    dataRoot: `${place}/data`,
    uploadsFolder: `${place}/data/.buckets/uploads`,
    onChange: () => undefined,
  });
});

afterEach(async () => {
  if (attacker && attacker.exitCode === null) {
    attacker.kill('SIGKILL');
    await once(attacker, 'close');
  }
  attacker = undefined;
  await run('rm', ['-rf', place]);
});

/** Swaps two names in one step, over and over, from inside a folder; follows the folder when it is made anew. */
async function swapAllTheTime(folder: string, one: string, other: string): Promise<void> {
  const script = `
import ctypes, os, sys
folder, one, other = (os.fsencode(argument) for argument in sys.argv[1:])
swap = ctypes.CDLL(None).renameat2
print('begun', flush=True)
for _ in range(100000):
    try:
        os.chdir(folder)
    except OSError:
        pass
    for _ in range(101):
        swap(-100, one, -100, other, 2)  # AT_FDCWD, RENAME_EXCHANGE
`;
  attacker = spawn('python3', ['-I', '-c', script, folder, one, other], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(attacker.stdout!, 'data');
}

/** Goes on until the call has both got through and been refused because of the link. */
async function duringTheSwaps(call: (index: number) => Promise<unknown>): Promise<void> {
  const met = { through: 0, link: 0 };
  for (let index = 0; index < TRIES || (index < MOST_TRIES && (met.through === 0 || met.link === 0)); index += 1) {
    try {
      await call(index);
      met.through += 1;
    } catch (error) {
      if (!(error instanceof LiveFilesError)) throw error;
      expect(REFUSALS).toContain(error.code);
      if (error.code === 'path-is-a-link') met.link += 1;
    }
  }
  expect(Math.min(met.through, met.link)).toBeGreaterThan(0);
}

async function write(path: string, content: string, createFolders = false): Promise<void> {
  const upload = await files.beginWrite('p1', path, { size: content.length, createFolders });
  await files.writeChunk(upload, 0, Buffer.from(content));
  await files.commitWrite(upload, { sha256: createHash('sha256').update(content).digest('hex') });
}

/** Nothing outside was written, made or removed, not even a time changed. */
async function leavesTheOutsideAlone(attack: () => Promise<void>): Promise<void> {
  const before = await describeTree(outside);
  await attack();
  expect(compareTrees(before, await describeTree(outside)).map(differenceText)).toEqual([]);
}

/** The folder itself, wherever its name is by now. */
function within(folder: FileHandle): string {
  return `/proc/self/fd/${folder.fd}`;
}

const whole = { offset: 0, length: 100 };

describe('while somebody swaps a folder and a link to the outside as fast as they can', () => {
  it(
    'who looks first and then opens by name is fooled: the attack is real',
    async () => {
      await swapAllTheTime(home, 'swap', 'decoy');
      for (let tries = 0; tries < MOST_TRIES; tries += 1) {
        if (!(await lstat(`${home}/swap`)).isDirectory()) continue;
        if ((await readFile(`${home}/swap/file`, 'utf8')) === 'secret') return;
      }
      throw new Error('the attack never came through');
    },
    DEADLINE_MS,
  );

  it(
    'nothing outside is read or listed',
    async () => {
      await writeFile(`${outside}/secret-name`, '');
      await swapAllTheTime(home, 'swap', 'decoy');
      await duringTheSwaps(async () => {
        expect(String((await files.read('p1', 'project/swap/file', whole)).bytes)).toBe('inside');
      });
      await duringTheSwaps(async () => {
        const { entries } = await files.list('p1', 'project/swap');
        expect(entries.map(({ name }) => name)).toEqual(['file', 'inner']);
      });
    },
    DEADLINE_MS,
  );

  it(
    'nothing outside is written or made',
    async () => {
      await leavesTheOutsideAlone(async () => {
        await swapAllTheTime(home, 'swap', 'decoy');
        await duringTheSwaps(() => write('project/swap/file', 'written'));
        await duringTheSwaps((index) => write(`project/swap/new-${index}`, 'written'));
        await duringTheSwaps((index) => write(`project/swap/a-${index}/b`, 'written', true));
      });
    },
    DEADLINE_MS,
  );

  it(
    'nothing outside is removed',
    async () => {
      await using inside = await open(`${home}/swap`);
      await leavesTheOutsideAlone(async () => {
        await swapAllTheTime(home, 'swap', 'decoy');
        await duringTheSwaps(async () => {
          await writeFile(`${within(inside)}/file`, 'again');
          await files.remove('p1', 'project/swap/file');
        });
        await duringTheSwaps(async () => {
          await mkdir(`${within(inside)}/inner`, { recursive: true });
          await writeFile(`${within(inside)}/inner/file`, 'again');
          await files.remove('p1', 'project/swap/inner', { recursive: true });
        });
      });
    },
    DEADLINE_MS,
  );

  it(
    'nothing outside is removed either when it happens inside a folder that is being removed',
    async () => {
      await leavesTheOutsideAlone(async () => {
        await swapAllTheTime(`${home}/doomed`, 'folder', 'decoy');
        for (let round = 0; round < 30; round += 1) {
          await mkdir(`${home}/doomed/folder`, { recursive: true });
          for (let index = 0; index < 30; index += 1) await writeFile(`${home}/doomed/${index}`, '');
          await symlink(outside, `${home}/doomed/decoy`);
          await files.remove('p1', 'project/doomed', { recursive: true });
        }
      });
    },
    DEADLINE_MS,
  );
});

describe('while somebody swaps the file itself', () => {
  /** A call may hit either of the two names: both are made anew each time. */
  async function resetNames(): Promise<void> {
    await Promise.all(['file', 'decoy'].map((name) => rm(`${home}/swap/${name}`, { force: true })));
    await writeFile(`${home}/swap/file`, 'inside', { flag: 'wx' });
    await symlink(`${outside}/file`, `${home}/swap/decoy`);
  }

  it(
    'with a link, what the link points to is not read, written or removed',
    async () => {
      await resetNames();
      await leavesTheOutsideAlone(async () => {
        await swapAllTheTime(`${home}/swap`, 'file', 'decoy');
        await duringTheSwaps(async () => {
          expect(String((await files.read('p1', 'project/swap/file', whole)).bytes)).toBe('inside');
        });
        await duringTheSwaps(() => resetNames().then(() => write('project/swap/file', 'written')));
        await duringTheSwaps(() => resetNames().then(() => files.remove('p1', 'project/swap/file')));
      });
    },
    DEADLINE_MS,
  );

  it(
    'with a FIFO, no read hangs',
    async () => {
      await run('mkfifo', [`${home}/swap/pipe`]);
      await swapAllTheTime(`${home}/swap`, 'file', 'pipe');
      for (let tries = 0; tries < TRIES; tries += 1) {
        const read = await files.read('p1', 'project/swap/file', whole).catch((error: LiveFilesError) => error.code);
        expect(['inside', ...REFUSALS]).toContain(typeof read === 'string' ? read : String(read.bytes));
      }
    },
    DEADLINE_MS,
  );
});
