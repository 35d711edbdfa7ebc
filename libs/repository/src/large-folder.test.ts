import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { removeTree } from '@buckets/trees';
import { mkdir, mkdtemp, open, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { openRepository } from './index.js';
import type { Repository, Snapshot } from './index.js';
import { MemoryStore } from './testing/memory-store.js';
import { RusticRepository } from './testing/rustic-repository.js';

jest.setTimeout(180_000);

const FILES = 6_000;
/** The least that an entry takes is some 25 bytes; rustic's take ten times as many. */
const MOST_ENTRIES_AT_ONCE = 1_000;
const MIB = 1024 * 1024;
const IMAGE_BYTES = 1_000 * MIB;

let work: string;
let store: MemoryStore;
let masterKey: string;
let repository: Repository;
let snapshot: Snapshot;

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'buckets-large-folder-'));
  const source = join(work, 'source');
  await mkdir(join(source, 'many'), { recursive: true });
  for (let n = 0; n < FILES; n += 200) {
    const names = Array.from({ length: 200 }, (_, index) => `file ${String(n + index).padStart(6, '0')}`);
    await Promise.all(names.map((name) => writeFile(join(source, 'many', name), name)));
  }
  await using image = await open(join(source, 'disk.img'), 'w');
  await image.truncate(IMAGE_BYTES);
  for (const at of [0, 401, 999]) await image.write(Buffer.alloc(MIB, `${at} `), 0, MIB, at * MIB);
  const made = await RusticRepository.init(work);
  const id = await made.backup(source);
  ({ masterKey } = made);
  store = await MemoryStore.from(made.folder);
  repository = await openRepository({ store, masterKey });
  snapshot = await repository.snapshot(id);
});

afterAll(async () => {
  if (work) await removeTree(work);
});

/** Counts the turns of the event loop. */
class TurnCount implements Disposable {
  turns = 0;
  #counting: NodeJS.Immediate | undefined;

  constructor() {
    const count = (): void => {
      this.turns += 1;
      this.#counting = setImmediate(count);
    };
    count();
  }

  [Symbol.dispose](): void {
    clearImmediate(this.#counting);
  }
}

describe('a folder of many entries', () => {
  it('is read whole and in order, and the event loop has its turn every few hundred of them', async () => {
    using count = new TurnCount();
    const names: string[] = [];
    const inTurn = new Map<number, number>();
    for await (const { entry } of repository.walk(snapshot, { path: 'many' })) {
      if (entry.type !== 'file') continue;
      names.push(entry.name.toString());
      inTurn.set(count.turns, (inTurn.get(count.turns) ?? 0) + 1);
    }
    expect(names).toEqual(Array.from({ length: FILES }, (_, n) => `file ${String(n).padStart(6, '0')}`));
    expect(Math.max(...inTurn.values())).toBeLessThan(MOST_ENTRIES_AT_ONCE);
  });

  it('is given out in portions, none of which holds much of it, and the end of it need not be read', async () => {
    const { subtree } = await repository.entry(snapshot, 'many');
    let entries = 0;
    for await (const portion of repository.tree(subtree!)) {
      expect(portion.length).toBeLessThan(MOST_ENTRIES_AT_ONCE);
      if ((entries += portion.length) > FILES / 2) break;
    }
    expect((await repository.entry(snapshot, 'many/file 004567')).size).toBe(11);
    expect(entries).toBeLessThan(FILES);
  });

  it('whose content is looked up leaves the event loop its turns too', async () => {
    using count = new TurnCount();
    let bytes = 0;
    for await (const { entry } of repository.walk(snapshot, { path: 'many' })) {
      if (entry.type === 'file') bytes += await repository.contentLength(entry);
    }
    expect(bytes).toBe(FILES * 11);
    expect(count.turns).toBeGreaterThan(FILES / MOST_ENTRIES_AT_ONCE);
  });

  it('with one bit of its tree changed is damaged before its first entry is given out', async () => {
    const { subtree } = await repository.entry(snapshot, 'many');
    const pack = [...store.objects.keys()].filter((name) => name.startsWith('data/'));
    let told = 0;
    for (const name of pack) {
      const bytes = Buffer.from(store.objects.get(name)!);
      bytes[bytes.length >> 1]! ^= 1;
      const damaged = await openRepository({ store: store.with(name, bytes), masterKey });
      const first = await damaged
        .tree(subtree!)
        .next()
        .catch((error: unknown) => error);
      if (first instanceof Error) {
        expect(first).toMatchObject({ code: 'repository-corrupt' });
        told += 1;
      }
    }
    expect(told).toBeGreaterThan(0);
  });
});

describe('a sparse image', () => {
  it('is told with its holes, of which a restore need not write anything', async () => {
    const image = await repository.entry(snapshot, 'disk.img');
    expect(await repository.contentLength(image)).toBe(IMAGE_BYTES);
    const filled = await repository.filledLength(image);
    expect(filled).toBeGreaterThanOrEqual(3 * MIB);
    expect(filled).toBeLessThan(20 * MIB);
    // Of 2,000 pieces, those that differ from the one before.
    expect(image.content.length).toBeLessThan(50);
  });

  it('is read at any place, whatever its size', async () => {
    const image = await repository.entry(snapshot, 'disk.img');
    const at = async (offset: number, length: number): Promise<Buffer> => {
      const pieces: Buffer[] = [];
      for await (const piece of repository.readFile(image, { offset, length })) pieces.push(piece);
      return Buffer.concat(pieces);
    };
    expect((await at(401 * MIB - 3, 8)).toString('latin1')).toBe('\0\0\x00401 4');
    expect((await at(IMAGE_BYTES - 5, 10)).toString('latin1')).toMatch(/^[9 ]{5}$/);
    expect((await at(700 * MIB, 3 * MIB)).equals(Buffer.alloc(3 * MIB))).toBe(true);
  });
});
