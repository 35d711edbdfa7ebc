import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { removeTree } from '@buckets/trees';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { indexPacks, openRepository } from './index.js';
import { MemoryStore } from './testing/memory-store.js';
import { RusticRepository } from './testing/rustic-repository.js';
import { WritableFolder } from './testing/writable-folder.js';

jest.setTimeout(120_000);

let work: string;
let repository: RusticRepository;
beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), 'buckets-packs-'));
  await mkdir(join(work, 'tree'));
  for (const name of ['one', 'two']) await writeFile(join(work, 'tree', name), randomBytes(300_000));
  await writeFile(join(work, 'tree', 'text'), 'compressible '.repeat(5000));
  repository = await RusticRepository.init(work);
});
afterEach(() => removeTree(work));

/** Makes known what the folder of the repository holds. */
async function index(): Promise<{ packs: number; bytes: number }> {
  return indexPacks(new WritableFolder(repository.folder), '', repository.masterKey);
}

/** As when a backup is cut off: packs without an index, and no snapshot. */
async function backUpAndCutOff(): Promise<void> {
  await repository.backup(join(work, 'tree'));
  for (const folder of ['index', 'snapshots']) {
    for (const name of await readdir(join(repository.folder, folder))) await rm(join(repository.folder, folder, name));
  }
}

const packs = async () =>
  (await readdir(join(repository.folder, 'data'), { recursive: true })).filter((p) => p.length > 60);

describe('what a backup that was cut off has uploaded', () => {
  it('is found by the next backup, which adds nothing to it', async () => {
    await backUpAndCutOff();
    const uploaded = await packs();
    expect(await index()).toEqual({ packs: uploaded.length, bytes: expect.any(Number) });
    const id = await repository.backup(join(work, 'tree'));
    expect((await packs()).sort()).toEqual(uploaded.sort());
    await repository.command('check', '--read-data');

    const opened = await openRepository({
      store: await MemoryStore.from(repository.folder),
      masterKey: repository.masterKey,
    });
    const { summary } = await opened.snapshot(id);
    expect(summary).toMatchObject({ data_added: 0 });
    for await (const { entry } of opened.walk(await opened.snapshot(id))) {
      if (entry.type === 'file')
        for await (const bytes of opened.readFile(entry)) expect(bytes.length).toBeGreaterThan(0);
    }
  });

  it('is made known once', async () => {
    await repository.backup(join(work, 'tree'));
    expect(await index()).toEqual({ packs: 0, bytes: 0 });
    await backUpAndCutOff();
    await index();
    expect(await index()).toEqual({ packs: 0, bytes: 0 });
  });

  it('is left alone where it is no whole pack', async () => {
    await backUpAndCutOff();
    const folder = join(repository.folder, 'data', 'ab');
    await mkdir(folder, { recursive: true });
    for (const bytes of [0, 3, 40, 100_000]) {
      await writeFile(join(folder, 'ab' + randomBytes(31).toString('hex')), randomBytes(bytes));
    }
    const whole = (await packs()).length - 4;
    expect(await index()).toMatchObject({ packs: whole });
  });
});
