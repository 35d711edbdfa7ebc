import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, credsAuthenticator } from '@nats-io/transport-node';
import { newId, STREAM, subjects } from '@buckets/contracts';
import { ask } from '@buckets/log';
import { until } from '../../stack/src/index.js';
import type { Operation, Problem } from '../running/api.js';
import { messagesOf } from '../running/log.js';
import { EU, processesOf, Product } from '../running/product.js';

jest.setTimeout(120_000);

const WORKER = `worker-${EU}`;
const CANCEL_LIMIT_MS = 3_000;

interface Limited extends Operation {
  requestedAt: string;
  cancelRequestedAt?: string;
}

let product: Product;

beforeAll(async () => {
  product = await Product.start({
    services: ['api', 'scheduler', WORKER],
    settings: () => ({
      BUCKETS_HOST_SILENCE_LIMIT: '1s',
      BUCKETS_HEARTBEAT: '200ms',
      BUCKETS_SCHEDULE_TICK: '200ms',
      BUCKETS_CANCEL_LIMIT: `${CANCEL_LIMIT_MS}ms`,
    }),
  });
  await product.newProject('atlas');
  await writeFile(join(product.folder('atlas'), 'project', 'file'), 'content');
  await product.backUp('atlas');
});
afterAll(() => product[Symbol.asyncDispose]());

const request = (limits: object) => product.api.post<Limited>('/v1/projects/atlas/backups', { limits }, 202);
const ended = async (id: string) => (await product.api.ended(id)) as Limited;
const took = ({ requestedAt, endedAt }: Limited) => Date.parse(endedAt!) - Date.parse(requestedAt);

/** The facts that end an operation. */
async function endings(operationId: string): Promise<string[]> {
  const all = await messagesOf(product, STREAM.log);
  return all
    .filter(
      ({ subject, text }) =>
        /-(succeeded|partial|failed|cancelled|expired)$/.test(subject) && text.includes(operationId),
    )
    .map(({ subject }) => subject.split('.').at(-1)!);
}

/** Begins an attempt, as a worker does, and then does nothing. */
async function begin(operationId: string): Promise<void> {
  const all = await messagesOf(product, STREAM.log);
  const intent = all.find(({ subject, text }) => subject.startsWith('buckets.intent.') && text.includes(operationId));
  const nats = await connect({
    servers: product.stack.access.natsUrl,
    authenticator: credsAuthenticator(await readFile(join(product.dataDir, 'secrets', `host-${EU}.creds`))),
    inboxPrefix: `_INBOX.host-${EU}`,
  });
  try {
    const attempt = { projectId: 'atlas', generation: 1, operationId, kind: 'backup', attemptId: newId() };
    await ask(nats, subjects.ask(EU, 'grant'), { ...attempt, workerId: newId(), position: intent!.sequence });
  } finally {
    await nats.close();
  }
}

describe('while the worker of its host is down', () => {
  beforeAll(() => product.stack.kill(WORKER));
  afterAll(() => product.stack.restart(WORKER));

  it('an operation expires when its time in the queue is up, and says why', async () => {
    const { id } = await request({ queueSeconds: 3 });
    const operation = await ended(id);
    expect(operation).toMatchObject({ state: 'expired', code: 'queue-limit', attempts: 0 });
    expect(operation.reason).toMatch(`Nothing has been heard of the host ${EU} since 2`);
    expect(took(operation)).toBeGreaterThanOrEqual(3_000);
  });

  it('so does a look at its repository', async () => {
    const limits = { queueSeconds: 3 };
    const { id } = await product.api.post<Limited>('/v1/projects/atlas/verify', { limits }, 202);
    expect(await ended(id)).toMatchObject({ state: 'expired', code: 'queue-limit', attempts: 0 });
    expect(await endings(id)).toEqual(['verify-expired']);
  });

  it('it expires all the same when the scheduler was down at that moment', async () => {
    const { id, requestedAt } = await request({ queueSeconds: 4 });
    await product.stack.kill('scheduler');
    await until(() => Date.now() > Date.parse(requestedAt) + 4_000, { what: 'the end of its time' });
    expect(await product.api.get(`/v1/operations/${id}`)).toMatchObject({ state: 'queued' });
    await product.stack.restart('scheduler');
    expect(await ended(id)).toMatchObject({ state: 'expired', code: 'queue-limit' });
    expect(await endings(id)).toEqual(['backup-expired']);
  });

  it('one that had begun expires when all its time is up', async () => {
    const { id } = await request({ queueSeconds: 60, wholeSeconds: 4 });
    await begin(id);
    const operation = await ended(id);
    expect(operation).toMatchObject({ state: 'expired', code: 'whole-limit', attempts: 1 });
    expect(took(operation)).toBeGreaterThanOrEqual(4_000);
  });

  it('a cancel that nobody answers ends it when that time is up', async () => {
    const { id } = await request({});
    await begin(id);
    const asked = await product.api.call<Limited>('POST', `/v1/operations/${id}/cancel`, { body: {} });
    expect(asked).toMatchObject({ status: 202, body: { state: 'running', cancelRequestedAt: expect.any(String) } });
    const operation = await ended(id);
    expect(operation).toMatchObject({ state: 'cancelled', code: 'cancel-unanswered' });
    const waited = Date.parse(operation.endedAt!) - Date.parse(operation.cancelRequestedAt!);
    expect(waited).toBeGreaterThanOrEqual(CANCEL_LIMIT_MS);
    const again = await product.api.call<Problem>('POST', `/v1/operations/${id}/cancel`, { body: {} });
    expect(again).toMatchObject({ status: 409, body: { code: 'operation-ended' } });
    expect(await endings(id)).toEqual(['backup-cancelled']);
  });
});

it('a worker that has stood still until its restore had expired does no harm when it wakes up', async () => {
  const file = (name: string) => join(product.folder('atlas'), 'project', name);
  await writeFile(file('large'), randomBytes(200_000_000));
  const { result } = await product.backUp('atlas');
  await writeFile(file('since'), 'changed since');
  const path = `/v1/projects/atlas/backups/${result?.backupId}/restore`;
  const { id } = await product.api.post<Limited>(path, { limits: { queueSeconds: 60, wholeSeconds: 6 } }, 202);
  await product.api.seen(id, ({ progress }) => progress?.phase === 'restoring', 'that it restores');
  product.stack.pause(WORKER);
  try {
    expect(await ended(id)).toMatchObject({ state: 'expired', code: 'whole-limit' });
    await writeFile(file('later'), 'while it slept');
  } finally {
    product.stack.resume(WORKER);
  }
  // What is asked for now has its turn after what it was at.
  expect(await product.backUp('atlas')).toMatchObject({ state: 'succeeded' });
  expect(await readFile(file('since'), 'utf8')).toBe('changed since');
  expect(await readFile(file('later'), 'utf8')).toBe('while it slept');
  await until(async () => (await product.leftOn()).length === 0, { what: 'the end of what was staged' });
  expect(await endings(id)).toEqual(['restore-expired']);
});

it('a look at a repository expires when all its time is up, and its rustic is ended', async () => {
  const body = { readData: 1, limits: { queueSeconds: 60, wholeSeconds: 6 } };
  const { id } = await product.api.post<Limited>('/v1/projects/atlas/verify', body, 202);
  const checks = async () =>
    (await processesOf(product.dataDir)).filter(({ command }) => /\/rustic\b.* check\b/.test(command));
  const found = await until(async () => {
    const all = await checks();
    return all.length > 0 ? all : undefined;
  });
  for (const { pid } of found) process.kill(pid, 'SIGSTOP');
  expect(await ended(id)).toMatchObject({ state: 'expired', code: 'whole-limit', attempts: 1 });
  await until(async () => (await checks()).length === 0, { what: 'the end of rustic' });
  await until(async () => (await product.leftOn()).length === 0, { what: 'the end of what it had made' });
  expect(await endings(id)).toEqual(['verify-expired']);
  expect(await product.api.done('/v1/projects/atlas/verify')).toMatchObject({ state: 'succeeded' });
});

it('a host that is back leaves what has ended alone, and does what is asked of it', async () => {
  expect(await product.backUp('atlas')).toMatchObject({ state: 'succeeded' });
  expect(await product.api.get('/v1/operations?projectId=atlas&state=queued')).toMatchObject({ items: [] });
  expect(await product.api.get('/v1/operations?projectId=atlas&state=running')).toMatchObject({ items: [] });
});
