import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { MAX_DAMAGED_OBJECTS, operationTag, type Grant } from '@buckets/contracts';
import { S3ObjectStore } from '@buckets/object-storage';
import { until } from '@buckets/patience';
import { startSeaweedFs, type SeaweedFs } from '@buckets/real-parts';
import { createRepositoryKey } from '@buckets/repository';
import { randomBytes } from 'node:crypto';
import { BackupWork } from '../backup/backup.js';
import type { ControlPlane } from '../control-plane/control-plane.js';
import type { Attempt } from '../operations/operation.js';
import { Budget } from '../queue/budget.js';
import { ProjectRepository } from '../repository/project-repository.js';
import { writeDescription } from '../repository/snapshot-description.js';
import { PASSWORD, PATIENT, TestBench } from '../rustic/testing/bench.js';
import { DamageWatch } from './damage-watch.js';

jest.setTimeout(120_000);

const BUCKET = 'backups';
type DropFirst<T extends unknown[]> = T extends [unknown, ...infer Rest] ? Rest : never;

let server: SeaweedFs;
let bench: TestBench;
beforeAll(async () => {
  [server, bench] = await Promise.all([startSeaweedFs(), TestBench.make()]);
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const randomHash = () => randomBytes(32).toString('hex');

/** A new one, and the grant of it. */
async function repositoryAt(prefix: string) {
  const bucket = server.access(BUCKET);
  const store = new S3ObjectStore(bucket);
  await store.createBucket();
  const repository = { prefix, masterKey: JSON.parse(createRepositoryKey()) as object, recoveryPassword: PASSWORD };
  const rustic = bench.rustic();
  const opened = new ProjectRepository({ bucket, repository } as unknown as Grant, rustic);
  const configId = await opened.initialise(PATIENT);
  const grant = { bucket, repository: { ...repository, configId } } as unknown as Grant;
  return { store, grant, opened, rustic };
}

/** Those of data, here. */
async function largePacks(store: S3ObjectStore, prefix: string): Promise<string[]> {
  const packs: string[] = [];
  for await (const { key, size } of store.list(`${prefix}data/`)) if (size > 50_000) packs.push(key);
  return packs;
}

function attemptOf(grant: object, operationId = 'op'): Attempt {
  const { signal } = new AbortController();
  return {
    ...{ projectId: 'p1', intent: { operationId, generation: 1 }, attemptId: 'attempt', grant },
    ...{ signal, signalOfNoReturn: signal },
    ...{ limits: { stallMs: PATIENT.stallMs, attemptMs: PATIENT.deadlineMs }, alive: () => undefined },
    ...{ progress: () => undefined, confirm: () => Promise.resolve(), wait: () => () => undefined },
  } as unknown as Attempt;
}

it('what a mending came to is told by the next attempt as well, which claims the backup that an earlier one had made', async () => {
  const { store, grant, rustic, ...parts } = await repositoryAt('projects/p2/');
  await using opened = parts.opened;
  const description = (operation: string) =>
    writeDescription({
      ...{ project: 'p1', host: 'eu-1', generation: 1, operation, beganAt: new Date().toISOString() },
      ...{ counter: { generation: 1, epoch: 'e', n: 1 }, consistency: 'stopped' },
    });
  const backUp = async (operation: string) => {
    const order = bench.order({ tags: [operationTag(operation)], description: description(operation) });
    const made = await rustic.backup(opened.access, order, PATIENT);
    if (made.outcome !== 'succeeded') throw new Error(made.outcome);
    return made.snapshotId;
  };
  await bench.write('project/file', randomBytes(50_000));
  const older = await backUp('older');
  const pack = (await largePacks(store, grant.repository.prefix))[0]!;
  await store.delete(pack);
  store.destroy();

  const controlPlane = { ask: () => Promise.resolve({ backupIds: [older] }) } as unknown as ControlPlane;
  const watch = new DamageWatch(rustic, controlPlane);
  const damage = { total: 1, first: [{ kind: 'pack', id: pack.slice(-64), damage: 'missing' }] };
  const known = { ...grant, damage, damagedBackups: [older], newestBackup: undefined };
  const first = attemptOf({ ...known, attempt: 1 });
  await watch.mend(first);
  // It is cut off when its snapshot is there.
  const made = await backUp('healing');

  const reads: string[] = [];
  const counted = Object.assign(Object.create(watch) as DamageWatch, {
    mend: (...of: Parameters<DamageWatch['mend']>) => (reads.push('mends'), watch.mend(...of)),
    afterMending: (...of: Parameters<DamageWatch['afterMending']>) => (reads.push('looks'), watch.afterMending(...of)),
  });
  const budget = new Budget({ cpus: 1, memoryBytes: 1 });
  const others = [{}, {}, {}, {}, rustic, controlPlane, budget, {}, counted] as never[];
  const work = new BackupWork('eu-1', ...(others as unknown as DropFirst<ConstructorParameters<typeof BackupWork>>));
  const { promise: ends, resolve: end } = Promise.withResolvers<void>();
  const busy = budget.spend({ cpus: 1, memoryBytes: 1 }, () => ends);
  const claimed = work.work(attemptOf({ ...known, attempt: 2 }, 'healing') as Attempt<'backup'>);
  await until(() => budget.waitingCount === 1);
  // Either may read all of the repository: it takes a share of the machine.
  expect(reads).toEqual([]);
  end();
  const [ending] = await Promise.all([claimed, busy]);
  expect(reads).toEqual(['mends', 'looks']);
  expect(ending).toMatchObject({
    outcome: 'partial',
    backup: { backupId: made },
    result: { backupId: made, repository: { total: 0, damaged: [], whole: [older], settled: true } },
  });
  // All that the claimed backup needs was read.
  expect(ending.result?.repository?.packsRead).toBeGreaterThan(0);
});

it('damage of which not all could be named is mended in one go: everything is read', async () => {
  const { store, grant, rustic, ...made } = await repositoryAt('projects/p1/');
  await using opened = made.opened;
  for (const name of ['a', 'b', 'c']) {
    await bench.write(`project/${name}`, randomBytes(50_000));
    expect(await rustic.backup(opened.access, bench.order(), PATIENT)).toMatchObject({ outcome: 'succeeded' });
  }
  const packs = await largePacks(store, grant.repository.prefix);
  expect(packs).toHaveLength(3);
  for (const key of packs) {
    const bytes = await store.get(key, { maxBytes: 1_000_000 });
    bytes[20_000]! ^= 1;
    await store.put(key, bytes);
  }
  for (let n = 0; n < 250; n++) await store.put(`${grant.repository.prefix}snapshots/${randomHash()}`, randomBytes(99));
  store.destroy();

  const survey = () => opened.survey({});
  const read = async () => {
    const looked = await survey();
    await looked.readPacks(new Set(looked.packs.keys()));
    return looked.damaged;
  };
  const damaged = await read();
  expect(damaged).toHaveLength(253);
  const attempt = attemptOf({ ...grant, damage: { total: 253, first: damaged.slice(0, MAX_DAMAGED_OBJECTS) } });
  const watch = new DamageWatch(rustic, { ask: () => Promise.reject(new Error('Nobody is asked.')) });

  expect(await watch.mend(attempt)).toMatchObject({ settled: true });
  expect(await read()).toEqual([]);
});
