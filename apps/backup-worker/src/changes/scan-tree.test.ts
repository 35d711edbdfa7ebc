import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { until } from '@buckets/patience';
import { Flushes } from './flushes.js';
import type { TreeScan } from './change-ledger.js';
import { type Flush, type ScanOptions, flushFile, scanTree } from './scan-tree.js';
import { TrialProject, setExtendedAttribute, temporaryFolderIsOnDisk } from './testing/trial-project.js';

let trial: TrialProject;
beforeEach(() => {
  trial = new TrialProject();
  trial.write(trial.path('file'), 'content');
  trial.write(trial.path('folder/deep/other'));
  mkdirSync(Buffer.from(`${trial.path('')}/\xff\xfe\n-name`, 'latin1'));
  writeFileSync(Buffer.from(`${trial.path('')}/\xff\xfe\n-name/\xe9`, 'latin1'), 'odd');
  trial.write(trial.outside('elsewhere/file'));
  symlinkSync(trial.outside('elsewhere'), trial.path('link'));
});
afterEach(() => trial[Symbol.dispose]());

/** Writes back all, and returns when that began. */
async function flushAll(): Promise<number> {
  const flushed = await new Flushes().flushed(trial.roots, 0, (error) => {
    throw error;
  });
  return flushed!.at;
}

const fail = (why: string): never => {
  throw new Error(why);
};
const FLUSH: Flush = { file: flushFile, all: flushAll };

async function scan(options: Partial<ScanOptions> = {}): Promise<TreeScan> {
  const result = await scanTree({ roots: trial.roots, flush: FLUSH, ...options });
  if (!result) throw new Error('the scan ended early');
  return result;
}

const fingerprint = async (): Promise<string> => (await scan()).fingerprint;

describe('the fingerprint of a tree', () => {
  it('is the same as long as nothing happens, and counts every entry in it', async () => {
    expect(await scan()).toEqual({ ...(await scan()), entries: 9, settled: true });
  });

  const changes: [string, () => void][] = [
    ['a new file', () => trial.write(trial.path('folder/deep/new'))],
    ['a new empty folder', () => mkdirSync(trial.path('new'))],
    ['a deleted file', () => rmSync(trial.path('file'))],
    ['a renamed file', () => renameSync(trial.path('file'), trial.path('renamed'))],
    [
      'a file that was renamed and got its name back',
      () => {
        renameSync(trial.path('file'), trial.path('renamed'));
        renameSync(trial.path('renamed'), trial.path('file'));
      },
    ],
    ['a byte appended', () => appendFileSync(trial.path('file'), 'x')],
    [
      'other content of the same size under the same mtime',
      () => {
        const { atime, mtime } = lstatSync(trial.path('file'));
        writeFileSync(trial.path('file'), 'CONTENT');
        utimesSync(trial.path('file'), atime, mtime);
      },
    ],
    ['a truncated file', () => truncateSync(trial.path('file'), 3)],
    ['another mode', () => chmodSync(trial.path('folder'), 0o700)],
    ['another mtime', () => utimesSync(trial.path('file'), 1, 1)],
    ['a hard link', () => linkSync(trial.path('file'), trial.path('folder/linked'))],
    ['a hard link from outside', () => linkSync(trial.path('file'), trial.outside('linked'))],
    [
      'a link with another target',
      () => {
        rmSync(trial.path('link'));
        symlinkSync('nowhere', trial.path('link'));
      },
    ],
    [
      'a root that is replaced',
      () => {
        renameSync(trial.roots[1]!, trial.outside('before'));
        mkdirSync(trial.roots[1]!);
      },
    ],
    ['a root that is missing', () => rmSync(trial.roots[1]!, { recursive: true })],
    [
      'a root that is a link to itself elsewhere',
      () => {
        renameSync(trial.roots[1]!, trial.outside('before'));
        symlinkSync(trial.outside('before'), trial.roots[1]!);
      },
    ],
  ];
  if (process.getuid?.() === 0) changes.push(['another owner', () => chownSync(trial.path('file'), 1234, 1234)]);
  if (temporaryFolderIsOnDisk) changes.push(['an extended attribute', () => setExtendedAttribute(trial.path('file'))]);

  it.each(changes)('is another after %s', async (_, change) => {
    const before = await fingerprint();
    change();
    expect(await fingerprint()).not.toBe(before);
  });

  it('is the same after everything was read, and after changes behind a link that leads out', async () => {
    const before = await fingerprint();
    for (const name of ['file', 'folder/deep/other']) readFileSync(trial.path(name));
    readdirSync(trial.path(''), { recursive: true });
    trial.write(trial.outside('elsewhere/new'));
    expect(await fingerprint()).toBe(before);
  });

  it('tells the two roots apart', async () => {
    const { roots } = trial;
    expect(await fingerprint()).not.toBe((await scan({ roots: roots.toReversed() })).fingerprint);
  });
});

describe('a scan', () => {
  it('leaves it open whether young files could change unseen, unless their pages can be written back', async () => {
    expect(await scan({ flush: undefined })).toMatchObject({ settled: false });
    expect(await scan()).toMatchObject({ settled: true });
  });

  it('is not settled when a file never rests', async () => {
    const restless = async (): Promise<void> => appendFileSync(trial.path('file'), 'x');
    const all = async (): Promise<number> => {
      await restless();
      return Date.now();
    };
    expect(await scan({ flush: { file: restless, all } })).toMatchObject({ settled: false });
  });

  it('is not settled where a stamp is from the future, as by a server whose clock is ahead, and does not wait for it', async () => {
    expect(await scan()).toMatchObject({ settled: true });
    const now = jest.spyOn(Date, 'now');
    try {
      const anHourAgo = Date.now() - 3_600_000;
      now.mockImplementation(() => anHourAgo);
      const flush: Flush = { file: () => fail('It waits.'), all: () => fail('It waits.') };
      expect(await scan({ flush, flushedAt: anHourAgo - 1 })).toMatchObject({ settled: false });
    } finally {
      now.mockRestore();
    }
  });

  it('is not settled when nothing can be written back', async () => {
    const refuse = (): Promise<void> => Promise.reject(new Error('no'));
    expect(await scan({ flush: { ...FLUSH, file: refuse } })).toMatchObject({ settled: true });
    const never = (): Promise<number> => Promise.resolve(0);
    expect(await scan({ flush: { file: refuse, all: never } })).toMatchObject({ settled: false });
  });

  it('is settled without a flush of its own where all has been written back since the last change', async () => {
    const youngest = Math.max(...trial.roots.map((root) => trial.ctimeMs(root)), trial.ctimeMs(trial.path('file')));
    await until(() => Date.now() > youngest + 100);
    const flushedAt = await flushAll();
    expect(await scan({ flush: undefined, flushedAt })).toMatchObject({ settled: true });
    expect(await scan({ flush: undefined, flushedAt: youngest })).toMatchObject({ settled: false });
  });

  it('flushes everything, once, when many files are young', async () => {
    for (let i = 0; i < 100; i++) trial.write(trial.path(`many/${i}`));
    let flushes = 0;
    const all = async (): Promise<number> => {
      flushes += 1;
      return Promise.resolve(Date.now());
    };
    expect(await scan({ flush: { file: async () => {}, all } })).toMatchObject({ settled: true });
    expect(flushes).toBe(1);
  });

  const onDisk = temporaryFolderIsOnDisk ? it : it.skip;
  onDisk('sees every store into a mapped file after it, also into a page that was stored into before', async () => {
    const store = await trial.mapped(trial.path('mapped'));
    await store(1);
    const before = await scan();
    expect(before.settled).toBe(true);
    await store(2);
    expect(await fingerprint()).not.toBe(before.fingerprint);
  });

  it('ends early when nobody wants it any more', async () => {
    for (let i = 0; i < 600; i++) trial.write(trial.path(`many/${i}`));
    expect(await scanTree({ roots: trial.roots, wanted: () => false })).toBeUndefined();
  });

  const ordinaryUser = process.getuid?.() === 0 ? it.skip : it;
  ordinaryUser('goes past folders that this process may not read, as a backup does', async () => {
    chmodSync(trial.path('folder'), 0);
    expect(await fingerprint()).toBe(await fingerprint());
    chmodSync(trial.path('folder'), 0o700);
  });
});
