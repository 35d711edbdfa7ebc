import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { S3ObjectStore } from '@buckets/object-storage';
import { compareTrees, describeTree, differenceText, growTree, type TreeDescription } from '@buckets/trees';
import { randomBytes } from 'node:crypto';
import { cp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../stack/src/index.js';
import type { Backup, Operation } from './running/api.js';
import { hasRestic, restic } from './running/plain-tools.js';
import { EU, Product, US } from './running/product.js';
import { inStore } from './running/repositories.js';

jest.setTimeout(180_000);

/** Of the two packs of a first backup, which has one large file, the larger one holds data, the other one trees. */
type Kind = 'data pack' | 'tree pack' | 'index' | 'snapshot' | 'key' | 'config';
type Damage = 'missing' | 'cut short' | 'altered';

const FOLDERS: Record<Kind, string> = {
  ...{ 'data pack': 'data/', 'tree pack': 'data/', index: 'index/' },
  ...{ snapshot: 'snapshots/', key: 'keys/', config: 'config' },
};

async function damage(store: S3ObjectStore, prefix: string, kind: Kind, how: Damage): Promise<string> {
  const objects = [];
  for await (const object of store.list(`${prefix}${FOLDERS[kind]}`)) objects.push(object);
  objects.sort((a, b) => a.size - b.size);
  const { key } = (kind === 'data pack' ? objects.at(-1) : objects[0])!;
  if (how === 'missing') {
    await store.delete(key);
  } else {
    const bytes = await store.get(key);
    bytes[50]! ^= 1;
    await store.put(key, how === 'altered' ? bytes : bytes.subarray(0, bytes.length - 100));
  }
  return key.slice(prefix.length);
}

/** A product that looks at repositories when it is asked to only, and one that does so all the time. */
let product: Product;
let watchful: Product;
beforeAll(async () => {
  const settings = (verifyInterval: string) => () => ({
    BUCKETS_VERIFY_INTERVAL: verifyInterval,
    BUCKETS_SCHEDULE_TICK: '500ms',
  });
  const services = ['api', 'scheduler', `worker-${EU}`, `worker-${US}`];
  product = await Product.start({ services, settings: settings('30d') });
  watchful = await Product.start({ services: ['api', 'scheduler', `worker-${EU}`], settings: settings('1s') });
});
afterAll(async () => {
  await product[Symbol.asyncDispose]();
  await watchful[Symbol.asyncDispose]();
});

/** A project with some files and a backup of them, and what they look like. */
async function backedUp(id: string, of = product): Promise<{ backupId: string; picture: TreeDescription }> {
  await of.newProject(id);
  const folder = of.folder(id);
  for (const root of ['project', 'persist']) {
    await growTree(join(folder, root), { seed: 5, smallFiles: 20, bytes: 0, hardCases: false });
  }
  await writeFile(join(folder, 'project', 'large'), randomBytes(400_000));
  const { state, result } = await of.backUp(id);
  expect(state).toBe('succeeded');
  expect((await of.api.freshness(id)).freshness).not.toBe('never');
  await becomes(id, 'fresh', of);
  return { backupId: result!.backupId!, picture: await describeTree(folder) };
}

const becomes = (id: string, freshness: string, of = product) =>
  until(async () => (await of.api.freshness(id)).freshness === freshness, { what: `${id} to be ${freshness}` });

const backup = async (id: string, backupId: string, of = product): Promise<Backup> =>
  (await of.api.backups(id)).find((each) => each.id === backupId)!;

const verify = (id: string, readData = 0): Promise<Operation> =>
  product.api.done(`/v1/projects/${id}/verify`, { readData });

async function mustRestore(id: string, backupId: string, picture: TreeDescription): Promise<void> {
  expect(await product.restore(id, backupId)).toMatchObject({ state: 'succeeded', result: { restore: { backupId } } });
  const restored = await describeTree(product.folder(id));
  expect(compareTrees(picture, restored, { topFolder: false }).map(differenceText)).toEqual([]);
}

async function differences(id: string, picture: TreeDescription): Promise<string[]> {
  return compareTrees(picture, await describeTree(product.folder(id)), { topFolder: false }).map(differenceText);
}

/** Of all objects of a repository. */
const namesIn = (id: string): Promise<string[]> =>
  inStore(product, id, async (store, prefix) => {
    const names = [];
    for await (const { key } of store.list(prefix)) names.push(key.slice(prefix.length));
    return names;
  });

async function mustBeSound(id: string): Promise<void> {
  expect(await verify(id, 1)).toMatchObject({ state: 'succeeded', result: { repository: { total: 0, damaged: [] } } });
  if (hasRestic) expect(await restic(product, id, ['check', '--read-data'])).toContain('no errors were found');
}

describe('damage', () => {
  const cases: [Kind, Damage, number][] = [
    ['data pack', 'missing', 0],
    ['data pack', 'cut short', 0],
    ['data pack', 'altered', 1],
    ['tree pack', 'missing', 0],
    ['tree pack', 'altered', 1],
    ['index', 'missing', 0],
    ['index', 'altered', 0],
    ['config', 'missing', 0],
    ['config', 'altered', 0],
  ];
  it.each(cases)('%s, %s: is found, told and healed', async (kind, how, readData) => {
    const id = `${kind.replace(' ', '-')}-${how.replace(' ', '-')}`;
    const { backupId, picture } = await backedUp(id);
    await inStore(product, id, (store, prefix) => damage(store, prefix, kind, how));

    const found = await verify(id, readData);
    expect(found).toMatchObject({ state: 'failed', code: 'repository-damaged' });
    expect(found.result?.repository?.total).toBeGreaterThan(0);
    expect(await backup(id, backupId)).toMatchObject({ damaged: true });
    const shown = await product.api.project(id);
    expect(shown).toMatchObject({ damage: { operationId: found.id } });
    expect(shown.freshness.freshness).not.toBe('fresh');
    await becomes(id, 'stale');
    expect((await product.api.freshness(id)).reason).toMatch(/damaged/);

    const healing = await product.backUp(id);
    expect(healing).toMatchObject({ state: 'succeeded', result: { repository: { total: 0, whole: [backupId] } } });
    expect(await backup(id, backupId)).not.toHaveProperty('damaged');
    expect(await product.api.project(id)).not.toHaveProperty('damage');
    await becomes(id, 'fresh');
    await mustBeSound(id);
    await mustRestore(id, backupId, picture);
    await mustRestore(id, healing.result!.backupId!, picture);
  });

  it('of what no host has any more stays, and what else there is heals', async () => {
    const { backupId: older } = await backedUp('changed');
    await writeFile(join(product.folder('changed'), 'project', 'large'), randomBytes(300_000));
    const newer = (await product.backUp('changed')).result!.backupId!;
    const picture = await describeTree(product.folder('changed'));
    // It holds the large file as it was, and the small ones, which both backups need.
    await inStore(product, 'changed', (store, prefix) => damage(store, prefix, 'data pack', 'missing'));
    const found = await verify('changed');
    expect(found.result?.repository?.damaged.toSorted()).toEqual([older, newer].toSorted());
    expect(await product.backUp('changed')).toMatchObject({
      result: { repository: { damaged: [older], whole: [newer] } },
    });
    for (const readData of [0, 1]) {
      expect(await verify('changed', readData)).toMatchObject({
        state: 'partial',
        code: 'backups-damaged',
        result: { repository: { total: 0, damaged: [older] } },
      });
    }
    await becomes('changed', 'fresh');
    await mustRestore('changed', newer, picture);
    const before = await namesIn('changed');
    expect(await product.restore('changed', older)).toMatchObject({
      state: 'partial',
      code: 'incomplete-restore',
      result: {
        restore: {
          problems: { total: 1, first: [{ path: 'project/large', reason: expect.stringMatching(/^lost: /) }] },
        },
      },
    });
    expect(await differences('changed', picture)).toEqual([expect.stringMatching(/^project\/large: missing/)]);
    expect(await namesIn('changed')).toEqual(before);
  });

  it('of the recovery key is told, and the key is made anew', async () => {
    const { backupId, picture } = await backedUp('key');
    await inStore(product, 'key', (store, prefix) => damage(store, prefix, 'key', 'missing'));
    expect(await verify('key')).toMatchObject({
      state: 'failed',
      result: { repository: { first: [{ kind: 'key', damage: 'missing' }], damaged: [] } },
    });
    expect(await backup('key', backupId)).not.toHaveProperty('damaged');
    expect(await product.backUp('key')).toMatchObject({ state: 'succeeded' });
    await mustBeSound('key');
    await mustRestore('key', backupId, picture);
  });

  it.each(['missing', 'altered'] as const)('of a snapshot that is %s loses that backup, and no other', async (how) => {
    const id = `snapshot-${how}`;
    const { backupId, picture } = await backedUp(id);
    await inStore(product, id, (store, prefix) => damage(store, prefix, 'snapshot', how));
    expect(await verify(id)).toMatchObject({ state: 'failed', result: { repository: { damaged: [backupId] } } });
    await becomes(id, 'stale');
    const next = await product.backUp(id);
    expect(next).toMatchObject({ state: 'succeeded' });
    await becomes(id, 'fresh');
    expect(await backup(id, backupId)).toMatchObject({ damaged: true });
    expect(await verify(id, 1)).toMatchObject({ state: 'partial', code: 'backups-damaged' });

    // A start brings back the other one, and the lost one can be deleted.
    await rm(product.folder(id), { recursive: true });
    expect(await product.start(id)).toMatchObject({ result: { restore: { backupId: next.result?.backupId } } });
    const restored = await describeTree(product.folder(id));
    expect(compareTrees(picture, restored, { topFolder: false }).map(differenceText)).toEqual([]);
    const path = `/v1/projects/${id}/backups/${backupId}`;
    const answer = await product.api.call<Operation>('DELETE', path);
    expect(await product.api.ended(answer.body.id)).toMatchObject({ state: 'succeeded' });
    await mustBeSound(id);
  });
});

describe('what has come upon damage tells it', () => {
  it('a restore, of an altered pack, after which a start does not choose that backup', async () => {
    const { backupId, picture } = await backedUp('restored');
    await inStore(product, 'restored', (store, prefix) => damage(store, prefix, 'data pack', 'altered'));
    // Nothing has changed, and the index says that all is there: later backups succeed.
    expect(await product.backUp('restored')).toMatchObject({ state: 'succeeded' });

    const failed = await product.restore('restored', backupId);
    expect(failed).toMatchObject({
      state: 'failed',
      code: 'repository-damaged',
      result: { repository: { first: [{ kind: 'pack', damage: 'altered' }] } },
    });
    expect(failed.reason).toContain('/verify');
    expect((await product.api.backups('restored')).map(({ damaged }) => damaged)).toEqual([true, true]);
    await becomes('restored', 'stale');
    expect(await product.backUp('restored')).toMatchObject({ state: 'succeeded' });
    expect((await product.api.backups('restored')).map(({ damaged }) => damaged ?? false)).toEqual([
      false,
      false,
      false,
    ]);
    await mustRestore('restored', backupId, picture);
  });

  it('a start whose newest backup is damaged asks before it passes over that one', async () => {
    const { backupId: older } = await backedUp('asked');
    await writeFile(join(product.folder('asked'), 'project', 'newer'), randomBytes(300_000));
    const { result } = await product.backUp('asked');
    const newer = result!.backupId!;
    await inStore(product, 'asked', async (store, prefix) => {
      // The second backup's own data pack is smaller than the first one's.
      const packs = [];
      for await (const object of store.list(`${prefix}data/`)) packs.push(object);
      packs.sort((a, b) => b.size - a.size);
      await store.delete(packs[1]!.key);
    });
    expect(await verify('asked')).toMatchObject({ state: 'failed', result: { repository: { damaged: [newer] } } });
    await rm(product.folder('asked'), { recursive: true });
    const refused = await product.api.call('POST', '/v1/projects/asked/start', { body: {} });
    expect(refused).toMatchObject({
      status: 409,
      body: { code: 'newer-backups-are-flagged', choices: { older: { backupId: older }, newer: { damaged: true } } },
    });
    expect(await product.start('asked', { backupId: older })).toMatchObject({
      state: 'succeeded',
      result: { restore: { backupId: older } },
    });
  });

  it('a look that the scheduler asks for by itself, and the backup that follows heals', async () => {
    const { backupId } = await backedUp('watched', watchful);
    await inStore(watchful, 'watched', (store, prefix) => damage(store, prefix, 'data pack', 'missing'));
    await until(async () => (await backup('watched', backupId, watchful)).damaged, { what: 'the damage to be found' });
    await becomes('watched', 'stale', watchful);
    expect(await watchful.backUp('watched')).toMatchObject({ state: 'succeeded' });
    expect(await backup('watched', backupId, watchful)).not.toHaveProperty('damaged');
  });
});

describe('data that are nowhere but in damaged backups', () => {
  const FILES = ['a', 'b', 'c', 'd', 'e', 'f'];

  /** Six files in one data pack, of which one is altered. */
  async function sixFiles(id: string): Promise<{ backupId: string; picture: TreeDescription }> {
    await product.newProject(id);
    for (const name of FILES) await writeFile(join(product.folder(id), 'project', name), randomBytes(300_000));
    const { result } = await product.backUp(id);
    await becomes(id, 'fresh');
    return { backupId: result!.backupId!, picture: await describeTree(product.folder(id)) };
  }
  const flip = (id: string) => inStore(product, id, (store, prefix) => damage(store, prefix, 'data pack', 'altered'));
  const warnings = async () => {
    const { body } = await product.api.call<{ warnings?: Record<string, string> }>('GET', '/health/ready');
    return body.warnings?.['damage'];
  };

  it('are brought back by a restore of one by its id, as far as they can be read', async () => {
    const { backupId, picture } = await sixFiles('six');
    await flip('six');
    await rm(product.folder('six'), { recursive: true });

    const first = await product.start('six');
    expect(first).toMatchObject({ state: 'failed', code: 'repository-damaged' });
    expect(first.reason).toMatch(/restore of a damaged backup by its id/);
    expect(await warnings()).toMatch(/repositor/);
    const metrics = await (await fetch(`${product.stack.access.apiUrl}/metrics`)).text();
    expect(metrics).toMatch(/buckets_damaged_projects\{what="repository"\} [1-9]/);
    expect(metrics).toMatch(/buckets_damaged_projects\{what="backups"\} [1-9]/);
    const told = product.lines.filter(({ part, line }) => part === 'api' && /A repository is damaged/.test(line));
    expect(told.filter(({ line }) => line.includes('"six"'))).toHaveLength(1);
    const second = await product.start('six');
    expect(second).toMatchObject({ state: 'failed', code: 'data-lost' });
    expect(second.reason).toContain(backupId);
    expect(second.reason).toMatch(/backups\/\{backupId\}\/restore/);

    for (let time = 1; time <= 2; time++) {
      const restored = await product.restore('six', backupId);
      expect(restored).toMatchObject({
        state: 'partial',
        code: 'incomplete-restore',
        result: { restore: { backupId, problems: { total: 1 } } },
      });
      expect(restored.reason).toMatch(/The backup is damaged: 1 entry could not be brought back/);
      const [lost] = restored.result!.restore!.problems.first;
      expect(await differences('six', picture)).toEqual([expect.stringMatching(new RegExp(`^${lost!.path}: missing`))]);
    }
    expect(await product.start('six')).toMatchObject({ state: 'succeeded' });
    // And from there it goes on.
    expect(await product.backUp('six')).toMatchObject({ state: 'succeeded' });
    await becomes('six', 'fresh');
    expect(await product.api.project('six')).not.toHaveProperty('damage');
  });

  it('are brought back by a start that names one, too', async () => {
    const { backupId, picture } = await sixFiles('named');
    await flip('named');
    await rm(product.folder('named'), { recursive: true });
    expect(await product.start('named')).toMatchObject({ state: 'failed', code: 'repository-damaged' });
    expect(await product.start('named', { backupId })).toMatchObject({
      state: 'partial',
      code: 'incomplete-restore',
      result: { restore: { backupId, problems: { total: 1 } } },
    });
    expect(await differences('named', picture)).toHaveLength(1);
  });

  it('are whole again once a later backup uploads what was lost, though all was mended before', async () => {
    const { backupId, picture } = await sixFiles('back');
    const older = [backupId, (await product.backUp('back')).result!.backupId!];
    await flip('back');
    const folder = product.folder('back');
    await rename(folder, `${folder}-away`);
    expect(await verify('back', 1)).toMatchObject({ state: 'failed', code: 'repository-damaged' });
    expect(await product.restore('back', backupId)).toMatchObject({ state: 'partial' });
    const after = await verify('back', 1);
    expect(after).toMatchObject({ state: 'partial', code: 'backups-damaged' });
    expect(await product.api.project('back')).not.toHaveProperty('damage');

    for (const name of FILES) {
      const [from, to] = [`${folder}-away`, folder].map((each) => join(each, 'project', name));
      await cp(from!, to!, { preserveTimestamps: true });
    }
    expect(await product.backUp('back')).toMatchObject({ result: { repository: { total: 0, others: 'whole' } } });
    for (const id of older) expect(await backup('back', id)).not.toHaveProperty('damaged');
    expect(await product.restore('back', backupId)).toMatchObject({ state: 'succeeded' });
    expect((await differences('back', picture)).filter((text) => !/^(project|persist): /.test(text))).toEqual([]);
  });
});

describe('a storage that is put right', () => {
  it('makes backups whole again by the next look', async () => {
    const { backupId } = await backedUp('replica');
    const kept = await inStore(product, 'replica', async (store, prefix) => {
      const packs = [];
      for await (const object of store.list(`${prefix}data/`)) packs.push(object);
      const { key } = packs.toSorted((a, b) => b.size - a.size)[0]!;
      const bytes = await store.get(key);
      await damage(store, prefix, 'data pack', 'altered');
      return { key, bytes };
    });
    expect(await verify('replica', 1)).toMatchObject({ state: 'failed' });
    expect(await verify('replica')).toMatchObject({ state: 'failed' });
    await inStore(product, 'replica', (store) => store.put(kept.key, kept.bytes));
    expect(await verify('replica')).toMatchObject({ state: 'succeeded', result: { repository: { packsRead: 1 } } });
    expect(await backup('replica', backupId)).not.toHaveProperty('damaged');
    await becomes('replica', 'fresh');
  });
});
