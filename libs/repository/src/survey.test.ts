import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { removeTree } from '@buckets/trees';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  indexPacks,
  mendRepository,
  openRepository,
  surveyRepository,
  type DamagedObject,
  type Survey,
} from './index.js';
import { parseIndexedPack, readWholeIndexFile } from './index-file.js';
import { RepositoryKey } from './repository-key.js';
import { RepositoryObjects } from './repository-objects.js';
import { RusticRepository } from './testing/rustic-repository.js';
import { WritableFolder } from './testing/writable-folder.js';

jest.setTimeout(120_000);

let work: string;
let tree: string;
let repository: RusticRepository;
let store: WritableFolder;
/** Two backups; the second has another file, and lacks one of the first. */
let first: string;
let second: string;

beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), 'buckets-survey-'));
  tree = join(work, 'tree');
  await mkdir(join(tree, 'folder/below'), { recursive: true });
  await mkdir(join(tree, 'empty'));
  await writeFile(join(tree, 'text'), 'compressible '.repeat(5000));
  await writeFile(join(tree, 'folder/random'), randomBytes(300_000));
  await writeFile(join(tree, 'folder/below/more'), randomBytes(100));
  await writeFile(join(tree, 'only in the first'), randomBytes(5000));
  repository = await RusticRepository.init(work);
  await repository.command('key', 'add', '--new-password', 'for a test');
  store = new WritableFolder(repository.folder);
  first = await repository.backup(tree);
  await rm(join(tree, 'only in the first'));
  await writeFile(join(tree, 'only in the second'), randomBytes(5000));
  second = await repository.backup(tree);
});
afterEach(() => removeTree(work));

const survey = () => surveyRepository({ store, prefix: '', masterKey: repository.masterKey });

/** The packs of a kind, in the order in which they were made. */
async function packs(kind: 'data' | 'tree', of?: string): Promise<string[]> {
  const objects = new RepositoryObjects(store, '', new RepositoryKey(repository.masterKey));
  const found: string[] = [];
  for (const id of await objects.ids('index')) {
    const { packs: named } = await readWholeIndexFile(objects, id);
    for (const pack of named.map(parseIndexedPack)) if (pack.blobs[0]!.type === kind) found.push(pack.id);
  }
  if (of === undefined) return found;
  const needed = await (await survey()).packsOf(of);
  return found.filter((id) => needed.has(id));
}

const pathOf = (pack: string) => join(repository.folder, 'data', pack.slice(0, 2), pack);

/** Changes one byte of an object. */
async function flip(path: string, at = 40): Promise<void> {
  const bytes = await readFile(path);
  bytes[at]! ^= 1;
  await writeFile(path, bytes);
}

async function lossesOf(looked: Survey): Promise<string[]> {
  return [...(await looked.lossesOf([first, second])).damaged].sort();
}

async function only(folder: string): Promise<string> {
  const [name] = await readdir(join(repository.folder, folder));
  return join(repository.folder, folder, name!);
}

/** Mends, and backs up as after a mending. */
async function mend(damaged: readonly DamagedObject[]): Promise<string> {
  await mendRepository({ store, prefix: '', masterKey: repository.masterKey }, damaged);
  return repository.backup(tree, '--force');
}

/** A hash of everything that a snapshot holds. */
async function contentOf(id: string): Promise<string> {
  const opened = await openRepository({ store, masterKey: repository.masterKey });
  const hash = createHash('sha256');
  for await (const { path, entry } of opened.walk(await opened.snapshot(id))) {
    hash.update(path);
    if (entry.type === 'file') for await (const bytes of opened.readFile(entry)) hash.update(bytes);
  }
  return hash.digest('hex');
}

/** @param ids all snapshots where none is named */
async function mustBeSound(...ids: string[]): Promise<void> {
  await repository.command('check', '--read-data', ...ids);
  const looked = await survey();
  await looked.readPacks(new Set(looked.packs.keys()));
  expect(looked.damaged).toEqual([]);
}

describe('a repository that is as it should be', () => {
  it('is found so, with each pack and each snapshot', async () => {
    const looked = await survey();
    let bytes = 0;
    await looked.readPacks(new Set(looked.packs.keys()), (read) => (bytes += read));
    expect(looked.damaged).toEqual([]);
    expect([...looked.snapshots.keys()].sort()).toEqual([first, second].sort());
    expect(looked.hasUnnamedPacks).toBe(false);
    expect(bytes).toBe(looked.bytes);
    expect(await looked.lossesOf([first, second])).toEqual({ damaged: new Set(), whole: new Set([first, second]) });
  });

  it('is what it was after a mending with nothing to mend', async () => {
    const before = await contentOf(first);
    await mend([]);
    expect(await contentOf(first)).toBe(before);
    await mustBeSound();
  });
});

describe('a data pack', () => {
  it.each(['missing', 'wrong-size', 'altered'] as const)(
    'that is %s is found, takes something of the backups that need it, and heals where the files are there',
    async (damage) => {
      const before = [await contentOf(first), await contentOf(second)];
      const shared = (await packs('data', second)).find((id) => id !== undefined)!;
      if (damage === 'missing') await rm(pathOf(shared));
      if (damage === 'wrong-size') await truncate(pathOf(shared), 1000);
      if (damage === 'altered') await flip(pathOf(shared));

      const looked = await survey();
      if (damage === 'altered') {
        expect(looked.damaged).toEqual([]);
        await looked.readPacks(new Set(looked.packs.keys()));
      }
      expect(looked.damaged).toEqual([{ kind: 'pack', id: shared, damage }]);
      const lost = await lossesOf(looked);
      expect(lost.length).toBeGreaterThan(0);

      await mustBeSound(second, await mend(looked.damaged));
      // What only an earlier backup held may be gone for good.
      const { whole } = await (await survey()).lossesOf([first, second]);
      for (const [index, id] of [first, second].entries()) {
        if (whole.has(id)) expect(await contentOf(id)).toBe(before[index]);
        else await expect(contentOf(id)).rejects.toMatchObject({ code: 'repository-corrupt' });
      }
      expect(whole).toContain(second);
    },
  );

  it('of which one file is altered takes nothing of the backup that does not hold it, and the others stay readable', async () => {
    const before = await contentOf(second);
    const own = (await packs('data', first)).filter((id) => id !== undefined);
    const needed = await (await survey()).packsOf(second);
    // The blobs of the first backup lie in one pack, the one of its own among them.
    const pack = own.find((id) => needed.has(id))!;
    const opened = await openRepository({ store, masterKey: repository.masterKey });
    const entry = await opened.entry(await opened.snapshot(first), 'only in the first');
    const objects = new RepositoryObjects(store, '', new RepositoryKey(repository.masterKey));
    for (const id of await objects.ids('index')) {
      const { packs: named } = await readWholeIndexFile(objects, id);
      for (const { id: packId, blobs } of named.map(parseIndexedPack)) {
        const blob = blobs.find(({ id: blobId }) => blobId === entry.content[0]!.id);
        if (blob !== undefined) await flip(pathOf(packId), blob.offset + 30);
      }
    }
    const looked = await survey();
    await looked.readPacks(new Set(looked.packs.keys()));
    expect(looked.damaged).toEqual([{ kind: 'pack', id: pack, damage: 'altered' }]);
    expect(await lossesOf(looked)).toEqual([first]);

    await mendRepository({ store, prefix: '', masterKey: repository.masterKey }, looked.damaged);
    expect(await contentOf(second)).toBe(before);
    await repository.command('check', '--read-data', second);
    // Nothing is thrown away.
    expect(await readdir(join(repository.folder, 'damaged/data', pack.slice(0, 2)))).toEqual([
      expect.stringMatching(new RegExp(`^${pack}\\.[0-9a-f]{64}$`)),
    ]);
    expect([...(await (await survey()).lossesOf([first, second])).damaged]).toEqual([first]);
  });
});

describe('a tree pack', () => {
  it.each(['missing', 'altered'] as const)('that is %s is found by reading trees, and heals', async (damage) => {
    const before = [await contentOf(first), await contentOf(second)];
    const [pack] = await packs('tree', second);
    if (damage === 'missing') await rm(pathOf(pack!));
    else await flip(pathOf(pack!));
    const looked = await survey();
    expect((await lossesOf(looked)).length).toBeGreaterThan(0);
    expect(looked.damaged).toEqual([{ kind: 'pack', id: pack, damage }]);

    await mustBeSound(second, await mend(looked.damaged));
    const { whole } = await (await survey()).lossesOf([first, second]);
    expect(whole).toContain(second);
    for (const [index, id] of [first, second].entries()) {
      if (whole.has(id)) expect(await contentOf(id)).toBe(before[index]);
    }
  });
});

describe('what says what there is', () => {
  it('an altered index file is found, and what it named is named anew', async () => {
    const before = [await contentOf(first), await contentOf(second)];
    await flip(await only('index'));
    const looked = await survey();
    expect(looked.damaged).toMatchObject([{ kind: 'index', damage: 'altered' }]);
    expect(looked.isReadableByRustic).toBe(false);
    await mendRepository({ store, prefix: '', masterKey: repository.masterKey }, looked.damaged);
    await mustBeSound();
    expect([await contentOf(first), await contentOf(second)]).toEqual(before);
  });

  it('an index file that is gone shows by what no index names, and is made anew', async () => {
    const before = [await contentOf(first), await contentOf(second)];
    await rm(await only('index'));
    const looked = await survey();
    expect(looked.damaged).toEqual([{ kind: 'index', damage: 'missing' }]);
    expect((await lossesOf(looked)).length).toBeGreaterThan(0);
    await mendRepository({ store, prefix: '', masterKey: repository.masterKey }, looked.damaged);
    await mustBeSound();
    expect([await contentOf(first), await contentOf(second)]).toEqual(before);
  });

  it('an altered snapshot is lost, and hinders the others no more once it is put aside', async () => {
    await flip(join(repository.folder, 'snapshots', first));
    const looked = await survey();
    expect(looked.damaged).toEqual([{ kind: 'snapshot', id: first, damage: 'altered' }]);
    expect(await lossesOf(looked)).toEqual([first]);
    await expect(repository.command('check')).rejects.toThrow();
    await mend(looked.damaged);
    await mustBeSound();
  });

  it('a snapshot that is gone is lost', async () => {
    await rm(join(repository.folder, 'snapshots', first));
    expect(await lossesOf(await survey())).toEqual([first]);
  });

  it('a key that is altered or gone, and a config, are told', async () => {
    const key = await only('keys');
    await flip(key, 10);
    expect((await survey()).damaged).toMatchObject([{ kind: 'key', damage: 'altered' }]);
    await rm(key);
    expect((await survey()).damaged).toEqual([{ kind: 'key', damage: 'missing' }]);
    await flip(join(repository.folder, 'config'), 20);
    expect((await survey()).damaged).toContainEqual({ kind: 'config', damage: 'altered' });
    await rm(join(repository.folder, 'config'));
    expect((await survey()).damaged).toContainEqual({ kind: 'config', damage: 'missing' });
  });
});

describe('bytes that are altered on their way', () => {
  it('once are no damage', async () => {
    const seen = new Set<string>();
    const flawed = Object.assign(Object.create(store) as WritableFolder, {
      get: async (key: string, ...rest: []) => {
        const bytes = Buffer.from(await store.get(key, ...rest));
        if (!seen.has(key)) bytes[20]! ^= 1;
        seen.add(key);
        return bytes;
      },
    });
    const looked = await surveyRepository({ store: flawed, prefix: '', masterKey: repository.masterKey });
    await looked.readPacks(new Set(looked.packs.keys()));
    expect(seen.size).toBeGreaterThan(6);
    expect(looked.damaged).toEqual([]);
  });

  it('once take no backup for damaged, be they those of a tree', async () => {
    const trees = new Set(await packs('tree'));
    let left = 1;
    const flawed = Object.assign(Object.create(store) as WritableFolder, {
      get: async (key: string, ...rest: []) => {
        const bytes = Buffer.from(await store.get(key, ...rest));
        if (trees.has(key.split('/').at(-1)!) && left-- > 0) bytes[20]! ^= 1;
        return bytes;
      },
    });
    const looked = await surveyRepository({ store: flawed, prefix: '', masterKey: repository.masterKey });
    expect(await lossesOf(looked)).toEqual([]);
    expect(left).toBeLessThan(1);
  });
});

describe('what a storage has not shown once', () => {
  /** A store whose listings lack all objects but those of the index. */
  const forgetful = (): WritableFolder =>
    Object.assign(Object.create(store) as WritableFolder, {
      list: async function* (prefix: string, ...rest: []) {
        if (/data|snapshots/.test(prefix)) return;
        yield* store.list(prefix, ...rest);
      },
    });

  it('is asked for by itself: a listing that lacks it makes nothing damaged', async () => {
    const looked = await surveyRepository({ store: forgetful(), prefix: '', masterKey: repository.masterKey });
    await looked.readPacks(new Set(looked.packs.keys()));
    expect(looked.packs.size).toBeGreaterThan(1);
    expect(looked.damaged).toEqual([]);
    expect(await lossesOf(looked)).toEqual([]);
  });

  it('stays where it is, and is named anew by the index, if it was taken for missing', async () => {
    const before = await contentOf(first);
    const [pack] = await packs('data');
    const missing = { kind: 'pack', id: pack!, damage: 'missing' } as const;
    await mendRepository({ store, prefix: '', masterKey: repository.masterKey }, [missing]);
    expect(await contentOf(first)).toBe(before);
    await mustBeSound();
  });
});

describe('a mending that is cut off', () => {
  it('anywhere lets no index file that is made later believe the damaged pack', async () => {
    const [pack] = await packs('data', first);
    await flip(pathOf(pack!));
    const looked = await survey();
    await looked.readPacks(new Set([pack!]));
    const objects = new RepositoryObjects(store, '', new RepositoryKey(repository.masterKey));
    const before = new Set(await objects.ids('index'));
    let cuts = 0;
    for (let isDone = false; !isDone; cuts++) {
      let left = cuts;
      const step = <R>(act: () => Promise<R>) => (left-- > 0 ? act() : Promise.reject(new Error('cut off')));
      const cutOff = Object.assign(Object.create(store) as WritableFolder, {
        put: (key: string, bytes: Uint8Array) => step(() => store.put(key, bytes)),
        delete: (key: string) => step(() => store.delete(key)),
      });
      const mending = mendRepository({ store: cutOff, prefix: '', masterKey: repository.masterKey }, looked.damaged);
      isDone = await mending.then(
        () => true,
        (error: Error) => (error.message === 'cut off' ? false : Promise.reject(error)),
      );
      // As whoever comes next does.
      await indexPacks(store, '', repository.masterKey);
      for (const id of await objects.ids('index')) {
        if (before.has(id)) continue;
        const { packs: named } = await readWholeIndexFile(objects, id);
        expect(named.map((each) => parseIndexedPack(each).id)).not.toContain(pack);
      }
    }
    expect(cuts).toBeGreaterThan(3);
    await mend((await survey()).damaged);
    await mustBeSound(second);
  });
});

describe('a storage that does not answer', () => {
  it('proves no damage', async () => {
    const [pack] = await packs('data');
    const away = new Error('away');
    const failing = Object.assign(Object.create(store) as WritableFolder, {
      get: (key: string, ...rest: []) => (key.includes(pack!) ? Promise.reject(away) : store.get(key, ...rest)),
    });
    const looked = await surveyRepository({ store: failing, prefix: '', masterKey: repository.masterKey });
    await expect(looked.readPacks(new Set([pack!]))).rejects.toBe(away);
    expect(looked.damaged).toEqual([]);
  });
});
