import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chmod, chown, lstat, mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  changeTree,
  compareTrees,
  describeTree,
  growTree,
  HARD_CASES,
  readablePath,
  removeTree,
  type GrownTree,
  type HardCase,
  type TreeDescription,
  type TreeEntry,
} from './index.js';

const SPARSE_BYTES = 64 * 1024 * 1024;
const OPTIONS = { seed: 7, smallFiles: 220, bytes: 9 * 1024 * 1024, hardCases: true, sparseBytes: SPARSE_BYTES };
const isRoot = process.geteuid?.() === 0;
const asRoot = isRoot ? it : it.skip;

describe('a grown tree', () => {
  let place: string;
  let grown: GrownTree;
  let tree: TreeDescription;

  beforeAll(async () => {
    place = await mkdtemp(join(tmpdir(), 'buckets-trees-'));
    grown = await growTree(`${place}/tree`, OPTIONS);
    tree = await describeTree(`${place}/tree`);
  });

  afterAll(() => removeTree(place));

  /** The entries of a case, by the name that they have inside its folder. */
  function entriesOf(hardCase: HardCase): Record<string, TreeEntry> {
    const folder = `hard-cases/${hardCase.replaceAll(/[ ,]+/g, '-')}/`;
    const paths = grown.hardCases[hardCase] ?? [];
    return Object.fromEntries(paths.map((path) => [path.slice(folder.length), tree.get(path)!]));
  }

  it('has every hard case, or names it as left out', () => {
    const here = Object.keys(grown.hardCases);
    const missing = new Set(grown.leftOut.map(({ hardCase }) => hardCase));
    expect([...here, ...missing].sort()).toEqual([...HARD_CASES].sort());
    for (const paths of Object.values(grown.hardCases)) for (const path of paths) expect(tree.has(path)).toBe(true);
    if (isRoot) expect(grown.leftOut).toEqual([]);
  });

  it('has as many small files as asked for, at most 100 in a folder, and the bytes asked for in larger ones', () => {
    const plain = [...tree].filter(([path, { type }]) => type === 'file' && !path.startsWith('hard-cases/'));
    const large = plain.filter(([path]) => path.startsWith('media/'));
    expect(plain.length - large.length).toBe(OPTIONS.smallFiles);
    expect(large.reduce((sum, [, { size = 0 }]) => sum + size, 0)).toBe(OPTIONS.bytes);
    const perFolder = Map.groupBy(plain, ([path]) => path.slice(0, path.lastIndexOf('/')));
    for (const files of perFolder.values()) expect(files.length).toBeLessThanOrEqual(100);
  });

  it('has names in many scripts, and two that look the same', () => {
    const names = Object.keys(entriesOf('unicode names')).map((name) => Buffer.from(name, 'latin1').toString());
    expect(names).toEqual(expect.arrayContaining(['日本語', '🌳🪣.md', '\u00e9', 'e\u0301', 'папка/файл']));
  });

  it('has names that are no valid UTF-8', () => {
    const names = Object.keys(entriesOf('names that are not UTF-8'));
    expect(names).toContain('\xff\xfe\x80');
    for (const name of names) {
      expect(() => new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(name, 'latin1'))).toThrow();
    }
  });

  it('has names with newlines, leading dashes and characters that shells and escapes care about', () => {
    expect(Object.keys(entriesOf('names with newlines'))).toEqual(expect.arrayContaining(['\n', 'two\nlines']));
    expect(Object.keys(entriesOf('names with leading dashes'))).toEqual(expect.arrayContaining(['-rf', '--']));
    const special = Object.keys(entriesOf('names with special characters'));
    expect(special).toEqual(expect.arrayContaining([' ', '*', 'back\\slash', '$HOME', '...']));
  });

  it('has a path of 300 characters and names of 255 bytes', () => {
    expect(Math.max(...Object.keys(entriesOf('a path of 300 characters')).map(({ length }) => length))).toBe(304);
    for (const name of Object.keys(entriesOf('a name of 255 bytes'))) expect(name).toHaveLength(255);
  });

  it('has links inside, outside, dangling and in loops', () => {
    expect(entriesOf('links inside')['to-file']).toMatchObject({ type: 'link', target: 'folder/file' });
    expect(entriesOf('links outside')['absolute']).toMatchObject({ type: 'link', target: '/etc/passwd' });
    expect(entriesOf('dangling links')['strange']).toMatchObject({ type: 'link', target: 'new\nline \xff \\x2f' });
    expect(entriesOf('link loops')['self']).toMatchObject({ type: 'link', target: 'self' });
  });

  it('has hard links within a folder and across folders', () => {
    const near = entriesOf('hard links in one folder');
    expect(Object.values(near).map(({ links }) => links)).toEqual([3, 3, 3]);
    expect(new Set(Object.values(near).map(({ linkedTo }) => linkedTo)).size).toBe(1);
    const far = entriesOf('hard links across folders');
    expect(far['b/c/other-name']).toMatchObject({ links: 3, linkedTo: far['a/file']!.linkedTo });
    expect(far['a/twin']).toMatchObject({ links: 1, sha256: far['b/twin']!.sha256 });
  });

  it('has a sparse file that takes next to nothing on disk, and a file of zeros that takes all', () => {
    const { 'sparse.img': sparse, 'only-a-hole': hole } = entriesOf('a sparse file');
    expect(sparse).toMatchObject({ type: 'file', size: SPARSE_BYTES });
    expect(sparse!.allocated).toBeLessThan(100_000);
    expect(hole).toMatchObject({ size: 3_000_000, allocated: 0 });
    expect(entriesOf('a file of zeros')['zeros']!.allocated).toBeGreaterThanOrEqual(1_500_000);
  });

  it('has empty files, empty folders, a FIFO and a socket', () => {
    expect(entriesOf('empty files')['empty']).toMatchObject({ type: 'file', size: 0 });
    expect(entriesOf('empty folders')['outer/inner']).toMatchObject({ type: 'folder', mode: 0o750 });
    expect(entriesOf('a FIFO')['pipe']!.type).toBe('fifo');
    expect(entriesOf('a socket')['socket']!.type).toBe('socket');
  });

  it('has extended attributes on files and folders, with any bytes', () => {
    if (!grown.hardCases['extended attributes']) return; // this file system has none
    const { file, folder } = entriesOf('extended attributes');
    expect(file!.xattrs).toMatchObject({ 'user.binary': '00ff0a00', 'user.empty': '' });
    expect(folder!.xattrs).toHaveProperty(['user.label']);
  });

  asRoot('has attributes of the kernel, on links too', () => {
    const entries = entriesOf('trusted and security attributes');
    expect(entries['capable']!.xattrs).toHaveProperty(['security.capability']);
    expect(entries['on-a-link']).toMatchObject({
      type: 'link',
      xattrs: { 'trusted.overlay.note': expect.any(String) },
    });
  });

  asRoot('has entries of mode 000 and of other owners', () => {
    expect(entriesOf('mode 000')['folder']).toMatchObject({ type: 'folder', mode: 0 });
    expect(entriesOf('mode 000')['folder/file']).toMatchObject({ mode: 0, sha256: expect.any(String) });
    expect(entriesOf('other owners')['setuid']).toMatchObject({ uid: 2e9, gid: 2_000_000_001, mode: 0o4711 });
    expect(entriesOf('other owners')['link']).toMatchObject({ type: 'link', uid: 12_345 });
  });

  it('has setuid, setgid and sticky', () => {
    const entries = entriesOf('setuid, setgid and sticky');
    expect(entries['4755']!.mode).toBe(0o4755);
    expect(entries['shared']).toMatchObject({ type: 'folder', mode: 0o2775 });
    expect(entries['sticky']).toMatchObject({ type: 'folder', mode: 0o1777 });
  });

  it('has times to the nanosecond, before 1970 and far in the future, on files, folders and links', () => {
    expect(entriesOf('nanosecond times')['one']!.mtimeNs).toBe('1700000000000000001');
    expect(entriesOf('nanosecond times')['folder']!.mtimeNs).toBe('1650000000000000777');
    expect(entriesOf('times before 1970')['just-before']!.mtimeNs).toBe('-1');
    expect(entriesOf('links inside')['to-file']!.mtimeNs).toBe('1234567890123456789');
    if (!grown.hardCases['times far in the future']) return; // this file system ends before
    expect(entriesOf('times far in the future')['2400']!.mtimeNs).toBe('13569465600123456789');
  });

  it('is the same again for the same seed, and another for another', async () => {
    await growTree(`${place}/again`, OPTIONS);
    expect(compareTrees(tree, await describeTree(`${place}/again`))).toEqual([]);
    await growTree(`${place}/other`, { ...OPTIONS, seed: 8, bytes: 0, hardCases: false });
    expect(compareTrees(tree, await describeTree(`${place}/other`))).not.toEqual([]);
    await removeTree(`${place}/again`);
    await removeTree(`${place}/other`);
  });

  it('has a sparse file of 1 GiB unless told otherwise', async () => {
    const { hardCases } = await growTree(`${place}/default`, { seed: 1, smallFiles: 0, bytes: 0, hardCases: true });
    const stats = await lstat(`${place}/default/${hardCases['a sparse file']?.[0]}`);
    expect(stats.size).toBe(1024 ** 3);
    expect(stats.blocks * 512).toBeLessThan(100_000);
    await removeTree(`${place}/default`);
  });

  it('changes as told: what changeTree returns is all that the comparison finds', async () => {
    await growTree(`${place}/changed`, { ...OPTIONS, sparseBytes: 1_000_000 });
    const before = await describeTree(`${place}/changed`);
    const changes = await changeTree(`${place}/changed`, 3);
    expect(changes.map(({ kind }) => kind).sort()).toEqual(
      ['added', 'deleted', 'edited', 'renamed'].flatMap((kind) => Array<string>(5).fill(kind)),
    );
    const touched = changes.flatMap((change) => (change.kind === 'renamed' ? [change.path, change.to] : [change.path]));
    const after = await describeTree(`${place}/changed`);
    const found = compareTrees(before, after).filter(
      ({ path, kind }) => !(kind === 'mtime' && after.get(path === '.' ? '' : path)?.type === 'folder'),
    );
    expect(new Set(found.map(({ path }) => path))).toEqual(new Set(touched.map(readablePath)));
    await removeTree(`${place}/changed`);
  });

  it('changes where its owner may not write, and keeps the modes that forbid it', async () => {
    const folder = `${place}/closed`;
    const names = Array.from({ length: 20 }, (_, number) => `file-${number}`);
    await mkdir(folder);
    for (const name of names) await writeFile(`${folder}/${name}`, 'some text', { mode: 0o444 });
    await chmod(folder, 0o555);
    await asOrdinaryUser(folder, () => changeTree(folder, 1));
    const after = await describeTree(folder);
    expect(after.get('')).toMatchObject({ mode: 0o555 });
    const kept = [...after].filter(([name]) => !name.startsWith('added-') && name !== '');
    expect(kept).toHaveLength(15);
    expect(new Set(kept.map(([, { mode }]) => mode))).toEqual(new Set([0o444]));
    await removeTree(folder);
  });
});

/** As root, with the rights of "nobody", to whom the folder is given. */
async function asOrdinaryUser(folder: string, work: () => Promise<unknown>): Promise<void> {
  if (!isRoot) return void (await work());
  const nobody = 65_534;
  for (const path of [folder, ...(await readdir(folder)).map((name) => `${folder}/${name}`)]) {
    await chown(path, nobody, nobody);
  }
  await chmod(dirname(folder), 0o755);
  process.seteuid?.(nobody);
  try {
    await work();
  } finally {
    process.seteuid?.(0);
  }
}
