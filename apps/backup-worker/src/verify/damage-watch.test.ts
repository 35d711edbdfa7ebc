import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import type { DamagedObject, Grant } from '@buckets/contracts';
import { S3ObjectStore } from '@buckets/object-storage';
import { startSeaweedFs, type SeaweedFs } from '@buckets/real-parts';
import { createRepositoryKey } from '@buckets/repository';
import { randomBytes } from 'node:crypto';
import type { Attempt } from '../operations/operation.js';
import { ProjectRepository } from '../repository/project-repository.js';
import { PASSWORD, PATIENT, TestBench } from '../rustic/testing/bench.js';
import { DamageWatch } from './damage-watch.js';

jest.setTimeout(120_000);

const BUCKET = 'backups';
const PREFIX = 'projects/p1/';

let server: SeaweedFs;
let bench: TestBench;
beforeAll(async () => {
  [server, bench] = await Promise.all([startSeaweedFs(), TestBench.make()]);
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

it('damage of which not all could be named is mended in one go: everything is read', async () => {
  const bucket = server.access(BUCKET);
  const store = new S3ObjectStore(bucket);
  await store.createBucket();
  const repository = { prefix: PREFIX, masterKey: JSON.parse(createRepositoryKey()), recoveryPassword: PASSWORD };
  const grant = { bucket, repository } as unknown as Grant;
  const rustic = bench.rustic();
  await using opened = new ProjectRepository(grant, rustic);
  await opened.initialise(PATIENT);
  for (const name of ['a', 'b', 'c']) {
    await bench.write(`project/${name}`, randomBytes(50_000));
    expect(await rustic.backup(opened.access, bench.order(), PATIENT)).toMatchObject({ outcome: 'succeeded' });
  }
  const packs: string[] = [];
  for await (const { key, size } of store.list(`${PREFIX}data/`)) {
    if (size > 50_000) packs.push(key);
  }
  expect(packs).toHaveLength(3);
  for (const key of packs) {
    const bytes = await store.get(key, { maxBytes: 1_000_000 });
    bytes[20_000]! ^= 1;
    await store.put(key, bytes);
  }
  store.destroy();

  const survey = () => opened.survey({});
  const read = async () => {
    const looked = await survey();
    await looked.readPacks(new Set(looked.packs.keys()));
    return looked.damaged;
  };
  expect(await read()).toHaveLength(3);
  const named: DamagedObject = { kind: 'pack', id: packs[0]!.slice(-64), damage: 'altered' };
  const attempt = {
    ...{ grant: { ...grant, damage: { total: 3, first: [named] } }, signal: new AbortController().signal },
    ...{ limits: { stallMs: PATIENT.stallMs, attemptMs: PATIENT.deadlineMs }, alive: () => undefined },
    ...{ progress: () => undefined, confirm: () => Promise.resolve() },
  } as unknown as Attempt;
  const watch = new DamageWatch(rustic, { ask: () => Promise.reject(new Error('Nobody is asked.')) });

  expect(await watch.mend(attempt)).toMatchObject({ settled: true });
  expect(await read()).toEqual([]);
});
