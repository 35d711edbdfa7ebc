import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { removeTree } from '@buckets/trees';
import fc from 'fast-check';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';

import { openRepository, surveyRepository } from './index.js';
import { RepositoryKey } from './repository-key.js';
import { MemoryStore } from './testing/memory-store.js';
import { RusticRepository } from './testing/rustic-repository.js';

jest.setTimeout(120_000);

let work: string;
let store: MemoryStore;
let masterKey: string;
let whole: string;
/** The objects that reading everything depends on. */
let names: string[];

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'buckets-damage-'));
  const tree = join(work, 'tree');
  await mkdir(join(tree, 'folder/below'), { recursive: true });
  await writeFile(join(tree, 'text'), 'compressible '.repeat(500));
  await writeFile(join(tree, 'folder/random'), randomBytes(3000));
  await writeFile(join(tree, 'folder/below/more'), randomBytes(100));
  const repository = await RusticRepository.init(work);
  await repository.backup(tree);
  await writeFile(join(tree, 'text'), 'another text');
  await repository.backup(tree);
  store = await MemoryStore.from(repository.folder);
  masterKey = repository.masterKey;
  whole = await readEverything(store);
  names = [...store.objects.keys()].filter((name) => !name.startsWith('keys/')).sort();
});

afterAll(async () => {
  if (work) await removeTree(work);
});

/** A hash of all snapshots, entries and bytes. */
async function readEverything(from: MemoryStore): Promise<string> {
  const repository = await openRepository({ store: from, masterKey });
  const hash = createHash('sha256');
  for (const snapshot of await repository.snapshots()) {
    hash.update(JSON.stringify(snapshot, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)));
    for await (const { path, entry } of repository.walk(snapshot)) {
      hash.update(path).update(`${entry.type} ${entry.mode} ${entry.mtimeNs} ${entry.size}`);
      if (entry.type === 'file') for await (const bytes of repository.readFile(entry)) hash.update(bytes);
    }
  }
  return hash.digest('hex');
}

/** The end of a pack repeats its index, sealed, and says how long that is; a reader that has the index does not need it. */
function neededBytes(name: string): number {
  const bytes = store.objects.get(name)!;
  return name.startsWith('data/') ? bytes.length - 4 - bytes.readUInt32LE(bytes.length - 4) : bytes.length;
}

const anObject = () => fc.constantFrom(...names);

describe('damage', () => {
  it('of one bit, anywhere in any object, is always told and never read as data', async () => {
    await fc.assert(
      fc.asyncProperty(anObject(), fc.nat(), fc.nat(7), async (name, position, bit) => {
        const bytes = Buffer.from(store.objects.get(name)!);
        const at = position % neededBytes(name);
        bytes[at]! ^= 1 << bit;
        const reading = readEverything(store.with(name, bytes));
        await expect(reading).rejects.toMatchObject({ code: 'repository-corrupt' });
      }),
      { numRuns: 300 },
    );
  });

  it('by which an object ends early is always told', async () => {
    await fc.assert(
      fc.asyncProperty(anObject(), fc.nat(), async (name, position) => {
        const bytes = store.objects.get(name)!.subarray(0, position % neededBytes(name));
        await expect(readEverything(store.with(name, bytes))).rejects.toMatchObject({ code: 'repository-corrupt' });
      }),
      { numRuns: 100 },
    );
  });

  it('of one bit, or by which an object ends early, is found by a survey that reads all, which names the object', async () => {
    const cut = fc.boolean();
    await fc.assert(
      fc.asyncProperty(anObject(), fc.nat(), fc.nat(7), cut, async (name, position, bit, endsEarly) => {
        const bytes = Buffer.from(store.objects.get(name)!);
        const at = position % bytes.length;
        bytes[at]! ^= 1 << bit;
        const damaged = store.with(name, endsEarly ? bytes.subarray(0, at) : bytes);
        const survey = await surveyRepository({ store: damaged, prefix: '', masterKey });
        await survey.readPacks(new Set(survey.packs.keys()));
        const id = name === 'config' ? undefined : name.slice(-64);
        expect(survey.damaged).toContainEqual({
          kind: { data: 'pack', index: 'index', snapshots: 'snapshot', config: 'config' }[name.split('/')[0]!],
          ...(id === undefined ? {} : { id }),
          damage: endsEarly && name.startsWith('data/') ? 'wrong-size' : 'altered',
        });
      }),
      { numRuns: 200 },
    );
  });

  it('in the part of a pack that nobody reads does not matter', async () => {
    const name = names.find((candidate) => candidate.startsWith('data/'))!;
    const bytes = Buffer.from(store.objects.get(name)!);
    bytes[neededBytes(name)]! ^= 1;
    expect(await readEverything(store.with(name, bytes))).toBe(whole);
  });

  it('names the object', async () => {
    for (const name of names) {
      const bytes = Buffer.from(store.objects.get(name)!);
      bytes[20]! ^= 1;
      const reading = readEverything(store.with(name, bytes));
      await expect(reading).rejects.toMatchObject({ object: expect.stringContaining(name) });
    }
  });

  it('by which a pack or index file is gone is told', async () => {
    for (const name of names.filter((candidate) => /^(data|index)/.test(candidate))) {
      await expect(readEverything(store.with(name, undefined))).rejects.toMatchObject({ code: 'repository-corrupt' });
    }
  });

  it('by which two objects were exchanged is told', async () => {
    const [a, b] = names.filter((name) => name.startsWith('snapshots/'));
    const exchanged = store.with(a!, store.objects.get(b!)).with(b!, store.objects.get(a!));
    await expect(readEverything(exchanged)).rejects.toMatchObject({ code: 'repository-corrupt' });
  });

  it.each([
    ['is stored as far more than a snapshot has to say', () => randomBytes(2 * 2 ** 20)],
    ['unpacks to far more', () => Buffer.concat([Buffer.from([2]), zstdCompressSync(Buffer.alloc(32 * 2 ** 20, ' '))])],
  ])('is what a snapshot is that %s', async (_, content) => {
    const sealed = new RepositoryKey(masterKey).seal(content());
    const id = createHash('sha256').update(sealed).digest('hex');
    const repository = await openRepository({ store: store.with(`snapshots/${id}`, sealed), masterKey });
    await expect(repository.snapshot(id)).rejects.toMatchObject({ code: 'repository-corrupt' });
    const [other] = names.filter((name) => name.startsWith('snapshots/'));
    expect(await repository.snapshot(other!.slice('snapshots/'.length))).toMatchObject({ tags: [] });
  });
});
