import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { compareTrees, describeTree, differenceText, removeTree } from '@buckets/trees';
import { randomBytes } from 'node:crypto';
import { link, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { mendRepository, storeReadablePart, surveyRepository, type LostEntries, type ReadablePart } from './index.js';
import { parseIndexedPack, readWholeIndexFile, type IndexedPack } from './index-file.js';
import { RepositoryKey } from './repository-key.js';
import { RepositoryObjects } from './repository-objects.js';
import { RusticRepository } from './testing/rustic-repository.js';
import { WritableFolder } from './testing/writable-folder.js';

jest.setTimeout(120_000);

let work: string;
let tree: string;
let repository: RusticRepository;
let store: WritableFolder;
let snapshotId: string;

beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), 'buckets-part-'));
  tree = join(work, 'tree');
  await mkdir(join(tree, 'folder/below'), { recursive: true });
  await mkdir(join(tree, 'empty'));
  for (const name of ['a', 'b', 'folder/c', 'folder/below/"subtree":"d{[']) {
    await writeFile(join(tree, name), randomBytes(100_000));
  }
  await link(join(tree, 'a'), join(tree, 'folder/also a'));
  await writeFile(join(tree, 'folder/nothing'), '');
  repository = await RusticRepository.init(work);
  store = new WritableFolder(repository.folder);
  snapshotId = await repository.backup(tree);
});
afterEach(() => removeTree(work));

const where = () => ({ store, prefix: '', masterKey: repository.masterKey });

async function packOf(type: 'data' | 'tree'): Promise<IndexedPack> {
  const objects = new RepositoryObjects(store, '', new RepositoryKey(repository.masterKey));
  const [index] = await objects.ids('index');
  const packs = (await readWholeIndexFile(objects, index!)).packs.map(parseIndexedPack);
  return packs.find(({ blobs }) => blobs[0]!.type === type)!;
}

/** Alters one blob, and mends: the index names it no more. */
async function lose(type: 'data' | 'tree', number: number): Promise<void> {
  const { id, blobs } = await packOf(type);
  const path = join(repository.folder, 'data', id.slice(0, 2), id);
  const bytes = await readFile(path);
  bytes[blobs.toSorted((a, b) => a.offset - b.offset)[number]!.offset + 30]! ^= 1;
  await writeFile(path, bytes);
  const survey = await surveyRepository(where());
  await survey.readPacks(new Set([id]));
  await mendRepository(where(), survey.damaged);
}

async function namesBelow(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).sort();
}

/** Of all roots. */
function lostIn({ lost }: ReadablePart): LostEntries {
  const roots = [...lost];
  for (const [root, { first }] of roots) for (const { path } of first) expect(path.toString().split('/')[0]).toBe(root);
  const total = roots.reduce((sum, [, { total: ofRoot }]) => sum + ofRoot, 0);
  return { total, first: roots.flatMap(([, { first }]) => first) };
}

/** What rustic brings back of the part. */
async function restored({ snapshotId: part }: ReadablePart): Promise<string> {
  const folder = join(work, 'restored');
  await mkdir(folder);
  await repository.command('restore', part, folder);
  return folder;
}

/** Restores the part, and compares: all that is not lost is there, with its times and all. */
async function mustHoldAllBut(part: ReadablePart): Promise<string[]> {
  const folder = await restored(part);
  const lost = lostIn(part).first.map(({ path }) => path.toString());
  for (const path of lost) await rm(join(tree, path));
  const differences = compareTrees(await describeTree(tree), await describeTree(folder), { topFolder: false });
  // The test itself has changed the times of folders that it took files out of, and the other names of a file.
  const others = differences.map(differenceText).filter((text) => !/mtime|time|links/.test(text));
  expect(others).toEqual([]);
  return lost.sort();
}

describe('the readable part of a snapshot', () => {
  it('is the snapshot itself where nothing is lost', async () => {
    const before = await namesBelow(repository.folder);
    const part = await storeReadablePart(where(), snapshotId, ['a tag']);
    expect(part).toMatchObject({ snapshotId, lost: new Map() });
    await part.remove();
    expect(await namesBelow(repository.folder)).toEqual(before);
  });

  it.each([0, 1, 2, 3])(
    'lacks the files of one lost blob (%d) and nothing else, and goes without a trace',
    async (n) => {
      await lose('data', n);
      const before = await namesBelow(repository.folder);
      const part = await storeReadablePart(where(), snapshotId, ['a tag']);
      expect(part.snapshotId).not.toBe(snapshotId);
      const { length } = await mustHoldAllBut(part);
      const lost = lostIn(part);
      expect(length).toBe(lost.total);
      // One of them has two names.
      expect([1, 2]).toContain(lost.total);
      expect(lost.first.every(({ type }) => type === 'file')).toBe(true);
      await part.remove();
      expect((await namesBelow(repository.folder)).filter((name) => /[0-9a-f]{64}/.test(name))).toEqual(
        before.filter((name) => /[0-9a-f]{64}/.test(name)),
      );
    },
  );

  it('has a folder empty whose list of files is lost, and names it', async () => {
    const { blobs } = await packOf('tree');
    let folders = 0;
    for (let number = 0; number < blobs.length; number++) {
      await rm(join(work, 'restored'), { recursive: true, force: true });
      await rm(repository.folder, { recursive: true });
      await rm(join(work, 'home'), { recursive: true });
      repository = await RusticRepository.init(work);
      snapshotId = await repository.backup(tree);
      await lose('tree', number);
      const made = storeReadablePart(where(), snapshotId, ['a tag']);
      const part = await made.catch((error: unknown) => {
        expect(String(error)).toMatch(/what it holds is lost/);
        return undefined;
      });
      if (part === undefined) continue;
      const lost = lostIn(part);
      expect(lost).toMatchObject({ total: 1, first: [{ type: 'folder' }] });
      const folder = await restored(part);
      expect(await readdir(join(folder, lost.first[0]!.path.toString()))).toEqual([]);
      folders += 1;
    }
    // Of `folder`, `folder/below` and `empty`; and the first tree of all, without which there is nothing.
    expect(folders).toBe(blobs.length - 1);
  });

  it('is not made while the index names what cannot be read: that has to be found out first', async () => {
    const { id } = await packOf('tree');
    const path = join(repository.folder, 'data', id.slice(0, 2), id);
    await writeFile(path, randomBytes((await readFile(path)).length));
    await expect(storeReadablePart(where(), snapshotId, ['a tag'])).rejects.toMatchObject({
      name: 'RepositoryCorrupt',
    });
  });
});
