import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  linkSync,
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
import { FolderWatches, kernelQueueLimit } from './folder-watches.js';
import type { ProjectWatch } from './project-watch.js';
import { TrialProject, setExtendedAttribute, temporaryFolderIsOnDisk } from './testing/trial-project.js';

let trial: TrialProject;
let watches: FolderWatches;
let watch: ProjectWatch;
let told: string[];

async function watchAll(options: ConstructorParameters<typeof FolderWatches>[0] = {}): Promise<void> {
  watches = new FolderWatches(options);
  told = [];
  watch = watches.watch(trial.roots, (source) => told.push(source));
  await watch.settled();
}

/** What the watch told of the change; it has no more to tell of it. */
async function toldOf(change: () => void): Promise<string[]> {
  await watch.settled();
  told = [];
  change();
  await watch.settled();
  return told;
}

beforeEach(() => {
  trial = new TrialProject();
  trial.write(trial.path('file'), 'content');
  trial.write(trial.path('folder/deep/other'));
});
afterEach(async () => {
  await watches.close();
  expect(watches.folders).toBe(0);
  trial[Symbol.dispose]();
});

describe('a watched project', () => {
  beforeEach(async () => await watchAll());

  const changes: [string, () => void][] = [
    ['a new file', () => trial.write(trial.path('folder/deep/new'))],
    ['a new folder', () => mkdirSync(trial.path('new'))],
    ['a deleted file', () => rmSync(trial.path('file'))],
    ['a renamed file', () => renameSync(trial.path('file'), trial.path('folder/renamed'))],
    ['an appended byte', () => appendFileSync(trial.path('folder/deep/other'), 'x')],
    ['a truncated file', () => truncateSync(trial.path('file'), 1)],
    ['another mode', () => chmodSync(trial.path('file'), 0o600)],
    ['another mode of a folder', () => chmodSync(trial.path('folder'), 0o700)],
    ['another mode of a root', () => chmodSync(trial.roots[1]!, 0o700)],
    ['another mtime', () => utimesSync(trial.path('folder/deep/other'), 1, 1)],
    ['a hard link', () => linkSync(trial.path('file'), trial.path('folder/linked'))],
    ['a symbolic link', () => symlinkSync('nowhere', trial.path('link'))],
    [
      'a root that is replaced',
      () => {
        renameSync(trial.roots[0]!, trial.outside('before'));
        mkdirSync(trial.roots[0]!);
      },
    ],
    ['a root that is removed', () => rmSync(trial.roots[1]!, { recursive: true })],
  ];
  if (temporaryFolderIsOnDisk) changes.push(['an extended attribute', () => setExtendedAttribute(trial.path('file'))]);

  it.each(changes)('tells of %s', async (_, change) => {
    expect(await toldOf(change)).toContain('watcher');
  });

  it('tells nothing when everything is read', async () => {
    const read = (): void => {
      for (const name of ['file', 'folder/deep/other']) readFileSync(trial.path(name));
      readdirSync(trial.path(''), { recursive: true });
    };
    expect(await toldOf(read)).toEqual([]);
  });

  const newFolders: [string, string, () => void][] = [
    ['made by mkdir -p', 'a/b/c/d', () => mkdirSync(trial.path('a/b/c/d'), { recursive: true })],
    [
      'moved in',
      'a/b',
      () => {
        mkdirSync(trial.outside('a/b'), { recursive: true });
        renameSync(trial.outside('a'), trial.path('a'));
      },
    ],
    ['renamed', 'renamed/deep', () => renameSync(trial.path('folder'), trial.path('renamed'))],
    [
      'moved from one root into the other',
      '../persist/folder/deep',
      () => renameSync(trial.path('folder'), trial.path('../persist/folder')),
    ],
    [
      'removed and made again (with the same inode, perhaps)',
      'folder/deep',
      () => {
        rmSync(trial.path('folder'), { recursive: true });
        mkdirSync(trial.path('folder/deep'), { recursive: true });
      },
    ],
    [
      'exchanged for another',
      'folder/deep',
      () => {
        renameSync(trial.path('folder'), trial.outside('before'));
        mkdirSync(trial.path('folder/deep'), { recursive: true });
      },
    ],
    [
      'in a root that was replaced',
      'new',
      () => {
        renameSync(trial.roots[0]!, trial.outside('before'));
        mkdirSync(trial.path('new'), { recursive: true });
      },
    ],
  ];
  it.each(newFolders)('tells of a change in a folder that was %s', async (_, folder, come) => {
    await toldOf(come);
    expect(await toldOf(() => trial.write(trial.path(`${folder}/file`)))).toContain('watcher');
  });

  it('tells of changes under names that are no valid UTF-8', async () => {
    const odd = (name: string): Buffer => Buffer.from(`${trial.path('')}/${name}`, 'latin1');
    await toldOf(() => mkdirSync(odd('\xff\n/\xfe'), { recursive: true }));
    expect(await toldOf(() => writeFileSync(odd('\xff\n/\xfe/\xfd'), 'x'))).toContain('watcher');
  });

  it('tells nothing of folders that left, nor of those that a link leads to', async () => {
    await toldOf(() => renameSync(trial.path('folder'), trial.outside('left')));
    await toldOf(() => symlinkSync(trial.outside('left'), trial.path('link')));
    expect(await toldOf(() => trial.write(trial.outside('left/deep/new')))).toEqual([]);
  });

  it('goes on after thousands of files came at once, in folders that it did not know', async () => {
    const burst = [
      'import os, sys',
      'for i in range(2000):',
      '    folder = f"{sys.argv[1]}/{i % 50}/{i % 7}"',
      '    os.makedirs(folder, exist_ok=True)',
      '    open(f"{folder}/{i}", "w").close()',
    ].join('\n');
    expect(await toldOf(() => execFileSync('python3', ['-c', burst, trial.path('many')]))).toContain('watcher');
    for (const folder of ['many/0/0', 'many/49/6']) {
      expect(await toldOf(() => appendFileSync(trial.path(`${folder}/new`), 'x'))).toContain('watcher');
    }
    expect(watch.watched).toBe(true);
  }, 30_000);

  it('tells nothing any more when it is closed', async () => {
    watch.close();
    expect(await toldOf(() => trial.write(trial.path('new')))).toEqual([]);
    expect(watch.watched).toBe(false);
  });
});

describe('when the kernel has lost events', () => {
  it('every project is told, and all folders are watched again, also one that came with a lost event', async () => {
    await watchAll();
    using neighbour = new TrialProject();
    const toldNeighbour: string[] = [];
    await watches.watch(neighbour.roots, (source) => toldNeighbour.push(source)).settled();
    // This process is held up, so that it cannot read the queue.
    const flood = [
      'import os, sys',
      'folder, count = sys.argv[1], int(sys.argv[2])',
      'paths = [f"{folder}/file", f"{folder}/folder"]',
      'for i in range(count): os.utime(paths[i % 2])',
      'os.mkdir(f"{folder}/late")',
    ].join('\n');
    const events = `${kernelQueueLimit() + 10}`;
    const flooded = await toldOf(() => execFileSync('python3', ['-c', flood, trial.path(''), events]));
    expect(flooded).toContain('watcher-overflow');
    expect(toldNeighbour).toContain('watcher-overflow');
    expect(await toldOf(() => trial.write(trial.path('late/file')))).toContain('watcher');
  }, 30_000);
});

describe('a project that cannot be watched', () => {
  it('says so if it has too many folders, and takes no watches from others', async () => {
    await watchAll({ maxFolders: 8 });
    expect(watch.watched).toBe(true);
    const folders = watches.folders;
    using large = new TrialProject();
    for (let i = 0; i < 10; i++) large.write(large.path(`${i}/file`));
    const second = watches.watch(large.roots, () => {});
    await second.settled();
    await watch.settled();
    expect(second.watched).toBe(false);
    expect(second.problem).toMatchObject({ code: 'watch-limit-reached' });
    expect(await toldOf(() => trial.write(trial.path('new')))).toContain('watcher');
    await watches.idle();
    expect(watches.folders).toBe(folders);
  });

  it('says so when it grows too large, and is watched again when it has shrunk', async () => {
    await watchAll({ maxFolders: 8 });
    expect(await toldOf(() => mkdirSync(trial.path('a/b/c/d/e/f'), { recursive: true }))).toContain('watcher-ended');
    expect(watch.watched).toBe(false);
    rmSync(trial.path('a'), { recursive: true });
    expect(await toldOf(() => watch.renew())).toContain('watcher-renewed');
    expect(watch.watched).toBe(true);
    expect(await toldOf(() => trial.write(trial.path('folder/deep/new')))).toContain('watcher');
  });

  it('says so if its folder is not there; a root alone may be missing and come later', async () => {
    rmSync(trial.path('..'), { recursive: true });
    await watchAll();
    expect(watch.watched).toBe(false);
    mkdirSync(trial.roots[0]!, { recursive: true });
    await toldOf(() => watch.renew());
    expect(watch.watched).toBe(true);
    await toldOf(() => mkdirSync(trial.roots[1]!));
    expect(await toldOf(() => writeFileSync(`${trial.roots[1]}/file`, 'x'))).toContain('watcher');
  });
});
