import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { existsSync } from 'node:fs';
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { STREAM, subjects } from '@buckets/contracts';
import { DeliverPolicy, jetstream } from '@nats-io/jetstream';
import { PartFailed, startStack, until, type Stack, type Unready } from '../stack/src/index.js';
import type { Operation, Problem } from './running/api.js';
import { rowsIn, stopSchedulerOnceStill } from './running/database.js';
import { connectAsAdmin, lastSequences, logPosition, messagesOf, withStreams } from './running/log.js';
import { operator } from './running/operator.js';
import { Product } from './running/product.js';
import { snapshotsOf } from './running/repositories.js';

jest.setTimeout(180_000);
const PATIENT = { withinMs: 60_000 };
const SERVICES = ['worker-eu-1', 'scheduler', 'api'];

let product: Product;

beforeAll(async () => {
  product = await Product.start({
    services: ['api', 'scheduler', 'worker-eu-1'],
    settings: (dataDir) => ({
      BUCKETS_START_HOOK: JSON.stringify(['/bin/sh', '-c', waitFor(gate(dataDir), atGate(dataDir))]),
    }),
  });
});
afterAll(async () => {
  await product[Symbol.asyncDispose]();
});

/** A start takes as long as there is no such file. */
const gate = (dataDir: string) => join(dataDir, 'gate');
const atGate = (dataDir: string) => join(dataDir, 'at-gate');
const waitFor = (file: string, reached: string) => `: > '${reached}'; while [ ! -e '${file}' ]; do sleep 0.1; done`;
const openGate = () => writeFile(gate(product.dataDir), '');
async function closeGate(): Promise<void> {
  for (const file of [gate, atGate]) await rm(file(product.dataDir), { force: true });
}

const natsFolder = () => join(product.dataDir, 'nats');
const streams = () =>
  withStreams(product, async (manager) => {
    const names: string[] = [];
    for await (const name of manager.streams.names()) names.push(name);
    return names;
  });
const health = async () => {
  const answer = await fetch(`${product.stack.access.apiUrl}/health/ready`);
  const { checks } = (await answer.json()) as { checks: Record<string, { status: string; reason?: string }> };
  return checks['log']!;
};
const isWell = () => until(async () => (await health()).status === 'up', { what: 'a log that is known', ...PATIENT });
const tables = async () => {
  const rows = await rowsIn(product, ['api', 'scheduler']);
  const derived = Object.entries(rows).filter(([name]) => !/\.(projection_position|request_key)$/.test(name));
  return Object.fromEntries(derived);
};

async function stopServices(): Promise<void> {
  for (const name of SERVICES) await product.stack.kill(name, 'SIGTERM');
}
async function startServices(): Promise<void> {
  for (const name of SERVICES.toReversed()) await product.stack.restart(name);
}
async function withoutNats(change: () => Promise<void>): Promise<void> {
  await product.stack.kill('nats', 'SIGTERM');
  await change();
  await product.stack.restart('nats');
}

/** A start whose command runs, with nothing more to ask for, and does not end before the gate opens. */
async function startUnderWay(projectId: string): Promise<Operation> {
  const { id } = await product.api.ask(`/v1/projects/${projectId}/start`);
  await until(() => existsSync(atGate(product.dataDir)), { what: 'its command', ...PATIENT });
  return product.api.seen(id, ({ state }) => state === 'running', 'its first attempt');
}

async function projectWithBackup(id: string): Promise<void> {
  await product.newProject(id);
  await writeFile(join(product.folder(id), 'project', 'file'), `content of ${id}`);
  expect(await product.backUp(id)).toMatchObject({ state: 'succeeded' });
}

describe('when the folder of NATS is lost', () => {
  let before: { position: number; tables: Record<string, string[]> };
  let open: Operation;

  beforeAll(async () => {
    await projectWithBackup('kept');
    await closeGate();
    open = await startUnderWay('kept');
    await stopSchedulerOnceStill(product);
    await stopServices();
    before = { position: await logPosition(product), tables: await tables() };
    await withoutNats(() => rm(natsFolder(), { recursive: true }));
  });

  it('the API does not get ready, says what to do, and makes nothing in its place', async () => {
    const starting = product.stack.restart('api');
    await expect(starting).rejects.toThrow(PartFailed);
    await expect(starting).rejects.toThrow('npm run restore-log');
    expect(await streams()).toEqual([]);
  });

  it('the log is made again from the journal: the same messages, from which the same tables follow', async () => {
    const said = await operator(product, 'restore-log');
    expect(said).toContain(`"appended":${before.position}`);
    expect(await logPosition(product)).toBe(before.position);
    await operator(product, 'rebuild-projections');
    expect(await tables()).toEqual(before.tables);
    expect(await operator(product, 'restore-log')).toContain('"appended":0');
  });

  it('everything goes on where it was: what was under way ends, and what is new is done', async () => {
    await startServices();
    await openGate();
    expect(await product.api.ended(open.id)).toMatchObject({ state: 'succeeded' });
    expect(await product.backUp('kept')).toMatchObject({ state: 'succeeded', attempts: 1 });
    expect(await snapshotsOf(product, 'kept')).toHaveLength(2);
    // What had ended was not handed out again.
    const ended = (await messagesOf(product, STREAM.log)).filter(({ subject }) => /backup-began$/.test(subject));
    expect(ended).toHaveLength(2);
  });

  it('a subscriber elsewhere goes on with the next number', async () => {
    const nats = await connectAsAdmin(product);
    try {
      const consumer = await jetstream(nats).consumers.get(STREAM.log, {
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: before.position + 1,
        filter_subjects: ['buckets.event.>'],
      });
      const next = await consumer.next({ expires: 10_000 });
      expect(next?.seq).toBe(before.position + 1);
    } finally {
      await nats.close();
    }
  });
});

describe('when an older copy of the folder of NATS is put back', () => {
  const copy = () => join(product.dataDir, 'nats-copy');

  beforeAll(async () => {
    await withoutNats(() => cp(natsFolder(), copy(), { recursive: true }));
    await isWell();
    await projectWithBackup('later');
  });

  it('it is told from the right one, nothing is appended to it, and it is completed from the journal', async () => {
    const position = await until(async () => (await settled()) || undefined, { what: 'tables at the end', ...PATIENT });
    await product.stack.kill('scheduler', 'SIGTERM');
    await withoutNats(async () => {
      await rm(natsFolder(), { recursive: true });
      await cp(copy(), natsFolder(), { recursive: true });
    });
    const isTold = async () => (await health()).reason?.includes('the log ends at');
    await until(isTold, { what: 'a word on the older copy', ...PATIENT });
    expect((await health()).reason).toContain('npm run restore-log');
    const older = await logPosition(product);
    expect(older).toBeLessThan(position);
    const refused = await product.api.call<Problem>('POST', '/v1/projects/kept/backups');
    expect(refused).toMatchObject({ status: 503, body: { code: 'log-mismatch' } });
    expect(await product.api.project('later')).toMatchObject({ provisioned: true });
    expect(await logPosition(product)).toBe(older);

    expect(await operator(product, 'restore-log')).toContain('an older copy');
    await isWell();
    await product.stack.restart('scheduler');
    expect(await logPosition(product)).toBeGreaterThanOrEqual(position);
    expect(await product.backUp('kept')).toMatchObject({ state: 'succeeded' });
    expect(await product.backUp('later')).toMatchObject({ state: 'succeeded' });
  });

  /** The end of the log, when the API's tables have it. */
  async function settled(): Promise<number | false> {
    const { [STREAM.log]: position = 0 } = await lastSequences(product);
    const { 'api.journal': journal } = await rowsIn(product, ['api']);
    return journal!.length === position && position;
  }
});

describe('when claims are lost that nobody has decided', () => {
  it('the operation ends nevertheless, as its host is told of it again', async () => {
    await product.stop('kept');
    await closeGate();
    const { id } = await startUnderWay('kept');
    await product.stack.kill('api');
    await openGate();
    const claim = { last_by_subj: subjects.claim('eu-1', 'kept', 'operation-ended') };
    const claimed = () => withStreams(product, ({ streams }) => streams.getMessage(STREAM.claims, claim));
    await until(claimed, { what: 'the claim of its end', ...PATIENT });
    await withStreams(product, (manager) => manager.streams.delete(STREAM.claims));

    await product.stack.restart('api');
    expect(await product.api.ended(id)).toMatchObject({ state: 'succeeded', attempts: 2 });
    expect(await streams()).toContain(STREAM.claims);
  });
});

describe('a restore of the log', () => {
  it('brings up what it needs where nothing runs, and leaves nothing running', async () => {
    await product.stack.stop();
    const said = await operator(product, 'restore-log');
    expect(said).toContain('a whole log');
  });
});

describe('a start of all, where an operator has to do something first', () => {
  const lacking: Unready[][] = [];

  /** What `npm start` does, until it is disposed of. */
  async function started() {
    const stack = await startStack({ dataDir: product.dataDir, mayWait: true, services: SERVICES });
    lacking.splice(0, lacking.length, await stack.unready());
    const ending = new AbortController();
    const isReady = stack.whenReady((unready) => lacking.push(unready), ending.signal);
    isReady.catch(() => undefined); // Not everybody waits for it.
    const stop = async () => {
      ending.abort();
      await stack.stop();
    };
    return { stack, isReady, [Symbol.asyncDispose]: stop };
  }
  const failing = () =>
    lacking[0]!.flatMap(({ service, failing: checks }) => checks.map((each) => ({ service, ...each })));
  const project = async ({ apiUrl, adminToken }: Stack['access']) =>
    (await fetch(`${apiUrl}/v1/projects/kept`, { headers: { authorization: `Bearer ${adminToken}` } })).status;

  it('keeps up what works without the log, says what to do, and goes on by itself when that is done', async () => {
    await rm(natsFolder(), { recursive: true });
    await using start = await started();
    const { stack, isReady } = start;
    const log = { service: 'api', check: 'log', reason: expect.stringContaining('npm run restore-log') };
    expect(failing()).toContainEqual({ ...log, needsOperator: true });
    expect(stack.access.hosts).toMatchObject([{ hostId: 'eu-1', pid: expect.any(Number) }]);
    expect(await project(stack.access)).toBe(200);
    await operator(product, 'restore-log');
    await isReady;
    expect(await stack.unready()).toEqual([]);
  });

  it('is not called ready without the vault, neither the first time nor the next, and is once that is restored', async () => {
    await rm(join(product.dataDir, 'postgres'), { recursive: true });
    const s3 = { service: 'api', check: 's3', reason: expect.stringContaining('npm run restore-vault') };
    {
      await using _first = await started();
      expect(failing()).toEqual([{ ...s3, needsOperator: true }]);
    }
    await using next = await started();
    expect(failing()).toEqual([{ ...s3, needsOperator: true }]);
    expect(await project(next.stack.access)).toBe(200);
    await operator(product, 'restore-vault');
    await next.isReady;
  });
});
