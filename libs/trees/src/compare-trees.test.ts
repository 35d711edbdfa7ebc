import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { execFile } from 'node:child_process';
import {
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  compareTrees,
  describeTree,
  differenceText,
  growTree,
  holdAside,
  readablePath,
  removeTree,
  takeUp,
  walkTree,
  type DifferenceKind,
  type TreeDescription,
  type TreeEntry,
} from './index.js';

const run = promisify(execFile);
const isRoot = process.geteuid?.() === 0;

describe('the comparison of two trees', () => {
  let place: string;
  let original: string;
  let expected: TreeDescription;

  beforeAll(async () => {
    place = await mkdtemp(join(tmpdir(), 'buckets-compare-'));
    original = `${place}/original`;
    await growTree(original, { seed: 5, smallFiles: 20, bytes: 0, hardCases: true, sparseBytes: 20_000_000 });
    expected = await describeTree(original);
  });

  afterAll(() => removeTree(place));

  it('finds a copy by cp -a equal, with all hard cases', async () => {
    await run('cp', ['-a', original, `${place}/copy`]);
    expect(compareTrees(expected, await describeTree(`${place}/copy`)).map(differenceText)).toEqual([]);
    await removeTree(`${place}/copy`);
  });

  describe('finds each single difference on disk, and nothing else', () => {
    const FILE = 'hard-cases/hard-links-across-folders/a/twin';
    const LINKED = 'hard-cases/hard-links-in-one-folder';
    const FOLDER = 'hard-cases/empty-folders/outer';
    const LINK = 'hard-cases/links-inside/to-folder';
    const SPARSE = 'hard-cases/a-sparse-file/sparse.img';

    const cases: [what: string, change: (tree: string) => Promise<unknown>, found: [string, DifferenceKind][]][] = [
      ['a byte of content', (tree) => writeFile(`${tree}/${FILE}`, 'twim'), [[FILE, 'content']]],
      ['a byte more', (tree) => writeFile(`${tree}/${FILE}`, 'twins'), [[FILE, 'size']]],
      ['the mode of a file', (tree) => chmod(`${tree}/${FILE}`, 0o4644), [[FILE, 'mode']]],
      ['the mode of a folder', (tree) => chmod(`${tree}/${FOLDER}`, 0o751), [[FOLDER, 'mode']]],
      ['a file that is gone', (tree) => unlink(`${tree}/${FILE}`), [[FILE, 'missing']]],
      ['a file too much', (tree) => writeFile(`${tree}/${FOLDER}/new`, ''), [[`${FOLDER}/new`, 'unexpected']]],
      ['a folder too much', (tree) => mkdir(`${tree}/${FOLDER}/new`), [[`${FOLDER}/new`, 'unexpected']]],
      [
        'a link in place of a file',
        async (tree) => {
          await unlink(`${tree}/${FILE}`);
          await symlink('../b/twin', `${tree}/${FILE}`);
        },
        [[FILE, 'type']],
      ],
      [
        'another target of a link',
        async (tree) => {
          await unlink(`${tree}/${LINK}`);
          await symlink('folder/', `${tree}/${LINK}`);
        },
        [[LINK, 'link-target']],
      ],
      [
        'a hard link that became a copy',
        async (tree) => {
          await run('cp', ['-a', `${tree}/${LINKED}/third`, `${tree}/${LINKED}/copy`]);
          await rename(`${tree}/${LINKED}/copy`, `${tree}/${LINKED}/third`);
        },
        [
          [`${LINKED}/first`, 'link-count'],
          [`${LINKED}/second`, 'link-count'],
          [`${LINKED}/third`, 'link-count'],
          [`${LINKED}/third`, 'hard-link'],
        ],
      ],
      [
        'a copy that became a hard link',
        async (tree) => {
          const b = FILE.replace('/a/', '/b/');
          await unlink(`${tree}/${b}`);
          await link(`${tree}/${FILE}`, `${tree}/${b}`);
        },
        [
          [FILE, 'link-count'],
          [FILE, 'hard-link'],
          [FILE.replace('/a/', '/b/'), 'link-count'],
          [FILE.replace('/a/', '/b/'), 'hard-link'],
        ],
      ],
      [
        'a hole that was filled with zeros',
        async (tree) => {
          await run('cp', ['-a', '--sparse=never', `${tree}/${SPARSE}`, `${tree}/${SPARSE}.full`]);
          await rename(`${tree}/${SPARSE}.full`, `${tree}/${SPARSE}`);
        },
        [[SPARSE, 'allocated']],
      ],
      ['an attribute', (tree) => setAttribute(`${tree}/${FILE}`), [[FILE, 'attributes']]],
      ['an attribute of a folder', (tree) => setAttribute(`${tree}/${FOLDER}`), [[FOLDER, 'attributes']]],
    ];
    if (isRoot) {
      cases.push(
        ['the owner', (tree) => chown(`${tree}/${FILE}`, 4321, process.getgid!()), [[FILE, 'owner']]],
        ['the group', (tree) => chown(`${tree}/${FOLDER}`, process.getuid!(), 4321), [[FOLDER, 'group']]],
      );
    } else {
      cases.push([
        'what cannot be read',
        (tree) => chmod(`${tree}/${FILE}`, 0),
        [
          [FILE, 'mode'],
          [FILE, 'unreadable'],
        ],
      ]);
    }

    it.each(cases)('%s', async (_, change, found) => {
      const tree = await mkdtemp(`${place}/changed-`);
      await run('cp', ['-a', `${original}/.`, tree]);
      await change(tree);
      await restoreTimes(tree, expected);
      const differences = compareTrees(expected, await describeTree(tree));
      expect(differences.map(({ path, kind }) => [path, kind])).toEqual(found);
      await removeTree(tree);
    });

    it.each([FILE, FOLDER, LINK, ''])('a nanosecond in the time of %j', async (path) => {
      const tree = await mkdtemp(`${place}/changed-`);
      await run('cp', ['-a', `${original}/.`, tree]);
      await touch(`${tree}/${path}`, BigInt(expected.get(path)!.mtimeNs) + 1n);
      const differences = compareTrees(expected, await describeTree(tree));
      expect(differences.map(({ path, kind }) => [path, kind])).toEqual([[readablePath(path), 'mtime']]);
      await removeTree(tree);
    });
  });

  it('reports exactly the one aspect of the one entry that differs, whichever it is', () => {
    const aspects: Record<string, [(entry: TreeEntry) => Partial<TreeEntry>, DifferenceKind]> = {
      mode: [({ mode }) => ({ mode: mode ^ 0o1 }), 'mode'],
      owner: [({ uid }) => ({ uid: uid + 1 }), 'owner'],
      group: [({ gid }) => ({ gid: gid + 1 }), 'group'],
      time: [({ mtimeNs }) => ({ mtimeNs: `${BigInt(mtimeNs) - 1n}` }), 'mtime'],
      attribute: [({ xattrs }) => ({ xattrs: { ...xattrs, 'user.new': '' } }), 'attributes'],
      type: [({ type }) => ({ type: type === 'file' ? 'link' : 'file' }), 'type'],
      links: [({ links = 0 }) => ({ links: links + 1 }), 'link-count'],
      unreadable: [() => ({ unreadable: 'EIO' }), 'unreadable'],
      allocated: [({ allocated = 0 }) => ({ allocated: allocated + 64 * 1024 + 1 }), 'allocated'],
    };
    fc.assert(
      fc.property(fc.constantFrom(...expected.keys()), fc.constantFrom(...Object.keys(aspects)), (path, aspect) => {
        const [change, kind] = aspects[aspect]!;
        const entry = expected.get(path)!;
        const actual = new Map(expected).set(path, { ...entry, ...change(entry) });
        expect(compareTrees(expected, actual).map((found) => [found.path, found.kind])).toEqual([
          [readablePath(path), kind],
        ]);
      }),
    );
  });

  it('takes what cannot be read on both sides as different, since nothing is known about it', () => {
    const [[path, entry]] = [...expected].filter(([, { type }]) => type === 'file') as [[string, TreeEntry]];
    const unreadable: TreeDescription = new Map([[path, { ...entry, unreadable: 'EIO' }]]);
    expect(compareTrees(unreadable, unreadable)).toMatchObject([{ kind: 'unreadable' }]);
  });

  it('leaves the top folder and the bytes on disk out when told so', () => {
    const actual = new Map(expected).set('', { ...expected.get('')!, mtimeNs: '0' });
    expect(compareTrees(expected, actual, { topFolder: false })).toEqual([]);
    const [[path, entry]] = [...expected].filter(([, { type }]) => type === 'file') as [[string, TreeEntry]];
    actual.set('', expected.get('')!).set(path, { ...entry, allocated: 1e9 });
    expect(compareTrees(expected, actual, { allocated: 'ignore' })).toEqual([]);
    expect(compareTrees(expected, actual, { allocated: { notMoreThanBy: 1e9 } })).toEqual([]);
  });

  it('names paths on one line that a terminal shows safely', () => {
    expect(readablePath('two\nlines')).toBe('two\\x0alines');
    expect(readablePath(Buffer.from('größe\\').toString('latin1'))).toBe('größe\\x5c');
    expect(readablePath('f\xfcr')).toBe('f\\xfcr');
    expect(readablePath('\x1b[31m')).toBe('\\x1b[31m');
    expect(readablePath(Buffer.from('\u202e').toString('latin1'))).toBe('\\xe2\\x80\\xae');
  });

  it('can be held aside in a file and taken up again', async () => {
    await holdAside(walkTree(original), `${place}/aside.ndjson`);
    expect(await takeUp(`${place}/aside.ndjson`)).toEqual(expected);
  });

  it('refuses a file that was cut short', async () => {
    await holdAside(expected, `${place}/aside.ndjson`);
    const lines = (await readFile(`${place}/aside.ndjson`, 'utf8')).split('\n');
    await writeFile(`${place}/aside.ndjson`, lines.slice(0, -2).join('\n'));
    await expect(takeUp(`${place}/aside.ndjson`)).rejects.toThrow('cut short');
  });

  it('says what cannot be walked', async () => {
    await expect(describeTree(`${place}/nothing-here`)).rejects.toThrow('ENOENT');
  });
});

/** Sets each time back that a change moved, so that only the change itself differs. */
async function restoreTimes(tree: string, expected: TreeDescription): Promise<void> {
  for (const [path, { mtimeNs }] of expected) {
    const bytes = Buffer.from(`${tree}/${path}`, 'latin1');
    const stats = await lstat(bytes, { bigint: true }).catch(() => undefined);
    if (stats && stats.mtimeNs !== BigInt(mtimeNs)) await touch(bytes.toString(), BigInt(mtimeNs));
  }
}

async function touch(path: string, mtimeNs: bigint): Promise<void> {
  const seconds = mtimeNs / 1_000_000_000n;
  const nanoseconds = (mtimeNs % 1_000_000_000n).toString().padStart(9, '0');
  await run('touch', ['--no-dereference', '-d', `@${seconds}.${nanoseconds}`, '--', path]);
}

async function setAttribute(path: string): Promise<void> {
  await run('python3', ['-c', 'import os, sys; os.setxattr(sys.argv[1], "user.new", b"x")', path]);
}
