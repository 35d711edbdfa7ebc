import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { STREAM } from '@buckets/contracts';
import { S3ObjectStore } from '@buckets/object-storage';
import { until } from '@buckets/patience';
import { compareTrees, describeTree, differenceText, removeTree, type TreeDescription } from '@buckets/trees';
import { execa, ExecaError } from 'execa';
import { CLONE } from '../stack/src/clone.js';
import { bucketBody, ProjectsUnknown } from '../stack/src/fleet.js';
import { REGIONS } from '../stack/src/places.js';
import { secretsIn } from '../stack/src/secrets.js';
import type { Backup, Problem, Project } from './running/api.js';
import { rowsIn } from './running/database.js';
import { growHardTree } from './running/hard-tree.js';
import { messagesOf } from './running/log.js';
import { operator, operatorOfApi } from './running/operator.js';
import { EU, Product } from './running/product.js';
import { snapshotsOf } from './running/repositories.js';

jest.setTimeout(240_000);

/** A restore's holes come out in whole chunks of 8 MiB at most. */
const AS_RESTORED = { allocated: { notMoreThanBy: 8 * 2 ** 20 }, topFolder: false };
const NODE = join(CLONE, 'node_modules', '.bin', 'node');
const SERVICES = ['api', 'scheduler', `worker-${EU}`];
const KILLS = 8;
const RECOVERED = /A project (is|would be|was) known/;

let product: Product;
const pictures: Record<string, TreeDescription[]> = { atlas: [], boreas: [] };
const backups: Record<string, string[]> = { atlas: [], boreas: [] };

beforeAll(async () => {
  product = await Product.start({ services: SERVICES });
  for (const id of ['atlas', 'boreas']) {
    await product.newProject(id);
    const small = { seed: id.length, smallFiles: 60, bytes: 2_000_000, sparseBytes: 20_000_000 };
    await growHardTree(join(product.folder(id), 'project'), small);
    await writeFile(join(product.folder(id), 'persist', 'state'), 'the first');
  }
  await backUp('atlas');
  await writeFile(join(product.folder('atlas'), 'persist', 'state'), 'the second');
  await backUp('atlas');
  await backUp('boreas');
  await product.newProject('corona');
});
afterAll(() => product[Symbol.asyncDispose]());

async function backUp(id: string): Promise<void> {
  const { state, result } = await product.backUp(id);
  expect(state).toBe('succeeded');
  backups[id]!.unshift(result!.backupId!);
  pictures[id]!.unshift(await describeTree(product.folder(id)));
}

/** NATS and Postgres are gone, with all that they knew. */
async function loseBoth(): Promise<void> {
  await product.stack.stop();
  await removeBoth();
}

/** What was restored, the schedule backs up by itself: it is stopped, and what it has made counts as well. */
async function countAll(): Promise<void> {
  await product.stack.kill('scheduler', 'SIGTERM');
  for (const id of Object.keys(backups)) {
    const isIdle = async () => (await product.api.operations(id)).every(({ endedAt }) => endedAt !== undefined);
    await until(isIdle, { what: `${id}: the end of all that was asked for`, withinMs: 60_000 });
    backups[id] = (await product.api.backups(id)).map((backup) => backup.id);
  }
}

async function removeBoth(): Promise<void> {
  for (const name of ['nats', 'postgres']) await rm(join(product.dataDir, name), { recursive: true });
}

async function startAgain(foreignData?: 'accept'): Promise<void> {
  const { dataDir } = product;
  product = await Product.start({ services: SERVICES, dataDir, ...(foreignData === undefined ? {} : { foreignData }) });
}

/** What the command of the API does on the running stack, given these buckets. */
async function recoverWith(...buckets: object[]): Promise<string> {
  return (await recovering(product, { buckets })).stdout;
}

interface Running {
  pid: number;
  /** @returns whether it was still there */
  kill: () => boolean;
}

async function recovering(
  parts: Product,
  given: { buckets: object[]; regions?: readonly object[] },
  watch: (running: Running) => Promise<void> = async () => undefined,
) {
  const file = join(parts.dataDir, 'given-buckets.json');
  await writeFile(file, JSON.stringify(given), { mode: 0o600 });
  const { running } = await operatorOfApi(parts, 'recover-from-buckets', { BUCKETS_RECOVERY_FILE: file });
  const [ended] = await Promise.all([running, watch({ pid: running.pid!, kill: () => running.kill('SIGKILL') })]);
  return ended;
}

/** How much a process has written, to sockets and files; undefined when it has ended. */
async function writtenBy(pid: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/io`, 'utf8').catch(() => '');
  const written = /^wchar: (\d+)$/m.exec(text)?.[1];
  return written === undefined ? undefined : Number(written);
}

/** Follows a process until it has written so much, or has ended. @returns how much it had written */
async function untilWritten(pid: number, bytes: number): Promise<number> {
  let most = 0;
  await until(
    async () => {
      const written = await writtenBy(pid);
      most = written ?? most;
      return written === undefined || written >= bytes;
    },
    { what: 'progress of a recovery', withinMs: 30_000, everyMs: 1 },
  );
  return most;
}

/** NATS, Postgres and the buckets alone, for as long as the work takes. */
async function onParts<R>(work: (parts: Product) => Promise<R>): Promise<R> {
  const parts = await Product.start({ services: [], dataDir: product.dataDir });
  try {
    return await work(parts);
  } finally {
    await parts.stack.stop();
  }
}

/** What there is after a recovery, without what no two recoveries share. */
async function recovered(parts: Product): Promise<object> {
  const events = (await messagesOf(parts, STREAM.log)).map(({ subject, text }) => {
    const { data, type } = JSON.parse(text.slice(text.indexOf('\n{') + 1)) as { data: object; type: string };
    return [subject, type, { ...data, ...('generation' in data ? { generation: 'some' } : {}) }] as const;
  });
  const rows = (await rowsIn(parts, ['vault']))['vault.project_keys']!;
  // The id, and what is wrapped: the other columns are moments.
  const keys = rows.map((row) => row.split(',').slice(0, 2));
  return { events: Object.groupBy(events, ([subject]) => subject), keys };
}

/** The regions and buckets of this product, with credentials. */
async function ours({ dataDir, stack }: Product) {
  const { s3 } = await secretsIn(join(dataDir, 'secrets'));
  return { regions: REGIONS, buckets: s3.buckets.map((each) => bucketBody(stack.access.s3.endpoint, each)) };
}

const differences = async (id: string, picture: TreeDescription) =>
  compareTrees(picture, await describeTree(product.folder(id)), AS_RESTORED).map(differenceText);
const project = (id: string) => product.api.project(id);
const tidy = (id: string) => product.api.done(`/v1/projects/${id}/tidy`, { remove: true, graceSeconds: 0 });
const snapshotIds = async (id: string) => (await snapshotsOf(product, id)).map((snapshot) => snapshot.id).toSorted();
const recoveredIn = (said: string) =>
  said
    .split('\n')
    .filter((line) => RECOVERED.test(line))
    .map((line) => JSON.parse(line) as { projectId: string; isNew: boolean; backups: number })
    .toSorted((a, b) => (a.projectId < b.projectId ? -1 : 1));
const FOUND = [
  { projectId: 'atlas', isNew: true, backups: 2 },
  { projectId: 'boreas', isNew: true, backups: 1 },
  { projectId: 'corona', isNew: true, backups: 0 },
];
const NOTHING_NEW = FOUND.map(({ projectId }) => ({ projectId, isNew: false, backups: 0 }));

describe('when NATS and Postgres are lost', () => {
  let generation: number;

  beforeAll(loseBoth);

  it('the product refuses to start beside buckets that hold projects, and names the ways out', async () => {
    const starting = startAgain();
    await expect(starting).rejects.toThrow(ProjectsUnknown);
    await expect(starting).rejects.toThrow(
      /keys of 3 projects and the repositories of 2 .*\(such as atlas, boreas, corona\)/,
    );
    await expect(starting).rejects.toThrow(/recover-from-buckets[^]*BUCKETS_FOREIGN_DATA=accept/);
  });

  it('npm start says so to its caller, and ends with a failure', async () => {
    const env = { BUCKETS_DATA_DIR: product.dataDir };
    const program = join(CLONE, 'stack', 'dist', 'start.js');
    const { exitCode, stderr } = await execa(NODE, [program], { env, reject: false, timeout: 120_000 });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('npm run recover-from-buckets');
    expect(stderr).not.toContain('    at ');
  });

  it('a dry run says what would be recovered, and changes nothing', async () => {
    const said = recoveredIn(await operator(product, 'recover-from-buckets', '--dry-run'));
    expect(said).toMatchObject(FOUND);
  });

  it('a recovery may be killed wherever it is, and repeated: it ends as one that nobody disturbed', async () => {
    await removeBoth();
    const [whole, undisturbed] = await onParts(async (parts) => {
      let written = 0;
      await recovering(parts, await ours(parts), async ({ pid }) => {
        written = await untilWritten(pid, Number.POSITIVE_INFINITY);
      });
      return [written, await recovered(parts)];
    });
    await removeBoth();

    await onParts(async (parts) => {
      const given = await ours(parts);
      const killed: number[] = [];
      for (let tries = 1; tries <= KILLS; tries++) {
        const at = Math.floor(((tries - Math.random()) / KILLS) * whole);
        await recovering(parts, given, async ({ pid, kill }) => {
          const written = await untilWritten(pid, at);
          if (kill()) killed.push(written);
        }).catch((error: unknown) => {
          if (!(error instanceof ExecaError && error.signal === 'SIGKILL')) throw error;
        });
      }
      // The later ones may find too little left to do.
      expect(killed.length).toBeGreaterThanOrEqual(2);
      await recovering(parts, given);
      expect({ killed, ...(await recovered(parts)) }).toEqual({ killed, ...undisturbed });
    });
  });

  it('a recovery makes projects, keys and backups known again; repeated, it does nothing', async () => {
    const said = await operator(product, 'recover-from-buckets');
    expect(recoveredIn(said).map(({ projectId }) => projectId)).toEqual(['atlas', 'boreas', 'corona']);
    const secrets = await readFile(join(product.dataDir, 'secrets', 's3-eu-west.json'), 'utf8');
    expect(said).not.toContain((JSON.parse(secrets) as { secretAccessKey: string }).secretAccessKey);

    expect(recoveredIn(await operator(product, 'recover-from-buckets'))).toMatchObject(NOTHING_NEW);
  });

  it('the product starts again, and knows of the projects what their buckets tell, as such', async () => {
    await startAgain();
    const atlas = await project('atlas');
    expect(atlas).toMatchObject({ provisioned: false, running: false });
    expect(atlas).not.toHaveProperty('hostId');
    generation = atlas.generation;
    expect(generation).toBeGreaterThan(1);
    const known = await product.api.backups('atlas');
    expect(known.map(({ id }) => id)).toEqual(backups['atlas']);
    const positions = known.map(({ recovered }) => recovered!.beganPosition!);
    expect(positions[0]).toBeGreaterThan(positions[1]!);
    expect(known[0]).toMatchObject({
      ...{ partialBecause: ['unwitnessed'], hostId: EU, beganPosition: 0 },
      recovered: { bucketId: 'eu-west', orderedBy: 'log' },
    } satisfies Partial<Backup>);
  });

  it('nothing is done for a project before it is assigned, and no host is written to by that', async () => {
    const refused = await product.api.call<Problem>('POST', '/v1/projects/atlas/backups');
    expect(refused).toMatchObject({ status: 409, body: { code: 'project-not-assigned' } });
    for (const id of ['atlas', 'boreas', 'corona']) {
      const assigned = await product.api.post<Project>(`/v1/projects/${id}/assign`, { hostId: EU }, 200);
      expect(assigned).toMatchObject({ hostId: EU, provisioned: false });
    }
    const isNever = async () => (await project('corona')).freshness.freshness === 'never';
    await until(isNever, { what: 'a project that is said to have no backup', withinMs: 30_000 });
    expect((await project('corona')).freshness.reason).toBe('No backup of it is known.');
    expect((await project('atlas')).generation).toBe(generation + 1);
    expect(await differences('atlas', pictures['atlas']![0]!)).toEqual([]);
    const stale = await product.api.call<Problem>('POST', '/v1/projects/atlas/backups');
    expect(stale).toMatchObject({ status: 409, body: { code: 'project-has-no-data' } });
  });

  it('a start brings the data back where they are lost, byte by byte', async () => {
    await removeTree(product.folder('atlas'));
    // Which files the backup lacked is lost, so nobody can say that all is there.
    expect(await product.start('atlas')).toMatchObject({
      state: 'partial',
      code: 'unwitnessed',
      result: { restore: { backupId: backups['atlas']![0], problems: { total: 0 } } },
    });
    expect(await differences('atlas', pictures['atlas']![0]!)).toEqual([]);
    await product.stop('atlas');
    expect(await product.restore('atlas', backups['atlas']![1]!)).toMatchObject({ state: 'partial' });
    expect(await differences('atlas', pictures['atlas']![1]!)).toEqual([]);
  });

  it('data that are still on their host, newer than any backup, can be adopted', async () => {
    await writeFile(join(product.folder('boreas'), 'persist', 'state'), 'changed since the backup');
    expect(await product.api.done('/v1/projects/boreas/adopt')).toMatchObject({ state: 'succeeded' });
    await backUp('boreas');
    await removeTree(product.folder('boreas'));
    expect(await product.start('boreas')).toMatchObject({ result: { restore: { backupId: backups['boreas']![0] } } });
    expect(await differences('boreas', pictures['boreas']![0]!)).toEqual([]);
    await product.stop('boreas');
  });

  it('a project that was never backed up is not made an empty one in silence; its data can be adopted', async () => {
    expect(await product.start('corona')).toMatchObject({ state: 'failed' });
    expect(await product.api.done('/v1/projects/corona/adopt')).toMatchObject({ state: 'succeeded' });
    expect(await product.start('corona')).toMatchObject({ state: 'succeeded' });
  });

  it('a tidy finds nothing, and takes nothing', async () => {
    const before = await snapshotIds('boreas');
    expect(await tidy('boreas')).toMatchObject({ state: 'succeeded', result: { orphans: { total: 0 } } });
    expect(await snapshotIds('boreas')).toEqual(before);
  });

  it('once all goes on, a recovery while the product runs adds nothing', async () => {
    expect(recoveredIn(await operator(product, 'recover-from-buckets'))).toMatchObject(NOTHING_NEW);
    expect((await product.api.backups('boreas')).map(({ id }) => id)).toEqual(backups['boreas']);
  });
});

describe('a file with buckets', () => {
  it('changes nothing when it names another bucket than the log, or credentials that do not serve', async () => {
    const bucket = {
      ...{ id: 'eu-west', regionId: 'eu-west', bucket: 'buckets-eu-west', s3Region: product.stack.access.s3.region },
      endpoint: product.stack.access.s3.endpoint,
      ...{ accessKeyId: 'nobody', secretAccessKey: 'wrong' },
    };
    const other = recoverWith({ ...bucket, bucket: 'buckets-us-east' });
    await expect(other).rejects.toThrow(
      /knows the bucket eu-west as buckets-eu-west at .*the file says buckets-us-east/,
    );
    await expect(recoverWith(bucket)).rejects.toThrow(/The bucket buckets-eu-west at .* cannot be used/);
    expect(recoveredIn(await recoverWith())).toMatchObject(NOTHING_NEW);
  });
});

describe('when both are lost, and the buckets are used as they are', () => {
  const others = () => backups['atlas']!.toSorted();
  let old: number;

  beforeAll(async () => {
    await countAll();
    old = others().length;
    await loseBoth();
    await startAgain('accept');
  });

  it('a project of the same name takes none of the old snapshots away, and a tidy tells of them', async () => {
    // What the host still has of it is not taken for the data of the new one.
    const { provisionOperationId } = await product.api.post<Project>('/v1/projects', { id: 'atlas', hostId: EU });
    expect(await product.api.ended(provisionOperationId)).toMatchObject({ state: 'failed' });
    await rm(product.folder('atlas'), { recursive: true });
    expect(await product.api.done('/v1/projects/atlas/start')).toMatchObject({ state: 'succeeded' });
    await product.stop('atlas');
    await backUp('atlas');
    const tidied = await tidy('atlas');
    expect(tidied).toMatchObject({
      ...{ state: 'partial', code: 'unexplained-backups' },
      result: { orphans: { total: old, removed: 0, unexplained: old } },
    });
    expect(tidied.reason).toContain('recover-from-buckets');
    expect(await snapshotIds('atlas')).toEqual(others());
  });

  it('a recovery makes them backups of it again, older than what was made since', async () => {
    await operator(product, 'recover-from-buckets');
    expect((await product.api.backups('atlas')).map(({ id }) => id)).toEqual(backups['atlas']);
    expect(await tidy('atlas')).toMatchObject({ state: 'succeeded', result: { orphans: { total: 0 } } });
    expect(await snapshotIds('atlas')).toEqual(others());
  });

  it('a start restores the newest of all, and asks where an old one tells of as many assignments as there are', async () => {
    await removeTree(product.folder('atlas'));
    const [newest, ...old] = await product.api.backups('atlas');
    // How many assignments a project begins with is drawn by chance where buckets may hold older ones.
    const { generation } = await project('atlas');
    const rival = old.find(({ counter }) => counter.generation >= generation);
    if (rival !== undefined) {
      const choices = { older: { backupId: newest!.id }, newer: { backupId: rival.id } };
      const refused = await product.api.call<Problem>('POST', '/v1/projects/atlas/start');
      expect(refused).toMatchObject({ status: 409, body: { code: 'newer-backups-are-flagged', choices } });
    }
    expect(await product.start('atlas', rival === undefined ? {} : { backupId: newest!.id })).toMatchObject({
      ...{ state: 'succeeded' },
      result: { restore: { backupId: newest!.id } },
    });
    expect(await differences('atlas', pictures['atlas']![0]!)).toEqual([]);
  });
});

describe('what cannot be recovered', () => {
  it('is named with why, and all others are recovered regardless', async () => {
    await countAll();
    const { endpoint, region, accessKeyId, secretAccessKey } = product.stack.access.s3;
    const store = new S3ObjectStore({ endpoint, region, accessKeyId, secretAccessKey, bucket: 'buckets-eu-west' });
    try {
      await store.put('keys/corvus', Buffer.from('no key'));
      await store.put('projects/draco/config', Buffer.from('no config'));
      const damaged = `projects/boreas/snapshots/${backups['boreas']![1]}`;
      await store.put(damaged, Buffer.from('no snapshot'));
    } finally {
      store.destroy();
    }
    const known = { atlas: backups['atlas']!.length, boreas: backups['boreas']!.length };
    await loseBoth();
    const failing = operator(product, 'recover-from-buckets');
    await expect(failing).rejects.toThrow();
    const said = await failing.catch((error: { stdout: string }) => error.stdout);
    expect(said).toMatch(/"name":"corvus".*do not open/);
    expect(said).toMatch(/"name":"draco".*no copy of its keys/);
    expect(said).toMatch(new RegExp(`"name":"boreas".*1 snapshot left out.*${backups['boreas']![1]}`));
    expect(recoveredIn(said)).toMatchObject([
      { projectId: 'atlas', isNew: true, backups: known.atlas },
      { projectId: 'boreas', isNew: true, backups: known.boreas - 1 },
      { projectId: 'corona', isNew: true, backups: 0 },
    ]);
  });
});

describe('when the log alone is lost', () => {
  it('nothing is recovered from buckets: the journal has all of it', async () => {
    await rm(join(product.dataDir, 'nats'), { recursive: true });
    const failing = operator(product, 'recover-from-buckets');
    await expect(failing).rejects.toThrow('npm run restore-log');
    expect(await operator(product, 'restore-log')).toContain('The log is as the tables know it');
  });
});
