import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstream } from '@nats-io/jetstream';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import {
  claimTypeName,
  encode,
  envelope,
  hostConsumer,
  newId,
  NO_PROJECT,
  STREAM,
  subjects,
  type ClaimType,
} from '@buckets/contracts';
import { ask, keepDeadLetter } from '@buckets/log';
import { until } from '../stack/src/index.js';
import type { Answer, Operation, Problem } from './running/api.js';
import { connectAsAdmin, messagesOf } from './running/log.js';
import { EU, Product } from './running/product.js';

jest.setTimeout(120_000);

interface Letter {
  id: string;
  stream: string;
  position: number;
  subject: string;
  reason: string;
  size: number;
  at: string;
  hostId?: string;
}

let product: Product;

beforeAll(async () => {
  product = await Product.start({ services: ['api', `worker-${EU}`] });
  await product.newProject('atlas');
  await writeFile(join(product.folder('atlas'), 'project', 'file'), 'content');
});
afterAll(() => product[Symbol.asyncDispose]());

const list = async () => (await product.api.get<{ items: Letter[] }>('/v1/dead-letters')).items;
const call = <Body = Problem>(method: string, path: string, headers: Record<string, string> = {}) =>
  product.api.call<Body>(method, `/v1/dead-letters/${path}`, { headers });
const replay = <Body = Problem>({ id }: Letter, headers = {}) => call<Body>('POST', `${id}/replay`, headers);
/** The letter of this position in its stream, as soon as it is there. */
const letterOf = (stream: string, position: number) =>
  until(async () => (await list()).find((each) => each.stream === stream && each.position === position), {
    what: `the letter of ${position} in ${stream}`,
  });

type Ready = { warnings?: { deadLetters?: string } };
const warning = async () =>
  (await product.api.call<Ready>('GET', '/health/ready', { token: null })).body.warnings?.deadLetters;
async function counted(): Promise<number> {
  const { body } = await product.api.call<Buffer>('GET', '/metrics', { token: null });
  return Number(/^buckets_dead_letters (\S+)$/m.exec(body.toString())?.[1]);
}

/** What a host itself can do and no more. */
async function asHost<R>(hostId: string, act: (nats: NatsConnection) => Promise<R>): Promise<R> {
  const nats = await connect({
    servers: product.stack.access.natsUrl,
    authenticator: credsAuthenticator(await readFile(join(product.dataDir, 'secrets', `host-${hostId}.creds`))),
    inboxPrefix: `_INBOX.host-${hostId}`,
  });
  try {
    return await act(nats);
  } finally {
    await nats.close();
  }
}

const claimBytes = (type: ClaimType, projectId: string, data: object) =>
  encode(envelope({ source: 'test', type: claimTypeName(type), subject: `host/${EU}/project/${projectId}` }, data));

/** @returns the claim's position */
async function claim(hostId: string, projectId: string, type: ClaimType, content: string | Uint8Array) {
  return asHost(hostId, async (nats) => {
    const { seq } = await jetstream(nats).publish(subjects.claim(hostId, projectId, type), content);
    return seq;
  });
}

/** Where the intent of an operation stands in the log. */
async function intentOf(operationId: string): Promise<number> {
  const all = await messagesOf(product, STREAM.log);
  const intent = all.find(({ subject, text }) => subject.startsWith('buckets.intent.') && text.includes(operationId));
  return intent!.sequence;
}

describe('a claim that cannot be read', () => {
  let letter: Letter;

  it('is listed and shown, with where it came from and why', async () => {
    expect(await warning()).toBeUndefined();
    expect(await counted()).toBe(0);
    const position = await claim(EU, 'atlas', 'operation-ended', 'neither JSON nor anything');
    letter = await letterOf(STREAM.claims, position);
    expect(letter).toEqual({
      id: expect.stringMatching(/^\d+$/),
      stream: STREAM.claims,
      position,
      subject: subjects.claim(EU, 'atlas', 'operation-ended'),
      reason: 'it is not JSON',
      size: 25,
      at: expect.stringMatching(/Z$/),
      hostId: EU,
    });
    expect((await call<object>('GET', letter.id)).body).toEqual({
      ...letter,
      content: 'neither JSON nor anything',
      encoding: 'utf-8',
      cut: false,
    });
  });

  it('is told of by a metric, and by a warning beside a service that is ready', async () => {
    expect(await counted()).toBe(1);
    await until(async () => (await warning()) !== undefined, { what: 'the warning' });
    const ready = await product.api.call('GET', '/health/ready', { token: null });
    expect(ready).toMatchObject({
      status: 200,
      body: { status: 'up', warnings: { deadLetters: expect.stringContaining('1 message could not be read') } },
    });
  });

  it('stays when it still cannot be read', async () => {
    const answer = await replay(letter);
    expect(answer).toMatchObject({ status: 409, body: { code: 'still-unreadable' } });
    expect(answer.body.detail).toContain('it is not JSON');
    expect(await list()).toEqual([letter]);
  });

  it('may be seen and discarded by whoever holds the scope for it', async () => {
    const { token } = await product.api.post<{ token: string }>('/v1/api-keys', {
      name: 'reader',
      scopes: ['dead-letters:read'],
    });
    expect((await product.api.call('GET', '/v1/dead-letters', { token })).status).toBe(200);
    for (const [method, path] of [
      ['DELETE', letter.id],
      ['POST', `${letter.id}/replay`],
    ] as const) {
      expect((await product.api.call(method, `/v1/dead-letters/${path}`, { token })).status).toBe(403);
    }
  });

  it('is discarded, with a word on what is lost', async () => {
    expect(await call<Letter>('DELETE', letter.id)).toMatchObject({ status: 200, body: letter });
    expect(await list()).toEqual([]);
    const gone: Answer<Problem>[] = [
      await call('DELETE', letter.id),
      await call('GET', letter.id),
      await replay(letter),
      await call('GET', 'no-number'),
    ];
    expect(gone.map(({ status, body }) => [status, body.code])).toEqual(gone.map(() => [404, 'dead-letter-not-found']));
    expect(await counted()).toBe(0);
    await until(async () => (await warning()) === undefined, { what: 'no warning any more' });
  });
});

it('dead letters come in pages, the newest first', async () => {
  for (const each of ['one', 'two', 'three']) await claim(EU, NO_PROJECT, 'unreadable-intent', each);
  await until(async () => (await list()).length === 3, { what: 'three letters' });
  type Page = { items: Letter[]; nextCursor?: string };
  const first = await product.api.get<Page>('/v1/dead-letters?limit=2');
  const second = await product.api.get<Page>(`/v1/dead-letters?limit=2&cursor=${first.nextCursor}`);
  expect([...first.items, ...second.items]).toEqual(await list());
  expect(second.nextCursor).toBeUndefined();
  const positions = (await list()).map(({ position }) => position);
  expect(positions).toEqual(positions.toSorted((a, b) => b - a));
  expect((await product.api.call('GET', '/v1/dead-letters?cursor=x')).status).toBe(400);
  for (const { id } of await list()) await call('DELETE', id);
});

it('a claim that an earlier version of the API could not read is decided by one that can, as any other', async () => {
  await product.stack.kill(`worker-${EU}`);
  const { id: operationId } = await product.api.ask('/v1/projects/atlas/backups');
  const attemptId = newId();
  const attempt = { projectId: 'atlas', generation: 1, operationId, kind: 'backup', attemptId, workerId: newId() };
  const asked = { ...attempt, position: await intentOf(operationId) };
  await asHost(EU, (nats) => ask(nats, subjects.ask(EU, 'grant'), asked));

  const reason = 'The host has had enough.';
  const data = { operationId, generation: 1, kind: 'backup', attemptId, outcome: 'failed', code: 'enough', reason };
  const kept = {
    stream: STREAM.claims,
    position: 4711,
    subject: subjects.claim(EU, 'atlas', 'operation-ended'),
    reason: 'a version from before knew no such claim',
    bytes: claimBytes('operation-ended', 'atlas', data),
  };
  const admin = await connectAsAdmin(product);
  await keepDeadLetter(jetstream(admin), { source: 'claims', hostId: EU }, kept);
  await admin.close();

  const letter = await letterOf(STREAM.claims, 4711);
  const key = { 'Idempotency-Key': newId() };
  const answer = await replay<object>(letter, key);
  expect(answer).toMatchObject({ status: 200, body: { id: letter.id, replayed: true } });
  expect(await product.api.ended(operationId)).toMatchObject({ state: 'failed', code: 'enough', attempts: 1 });
  expect(await list()).toEqual([]);
  expect(await replay<object>(letter, key)).toMatchObject({ status: 200, body: answer.body });
  await product.stack.restart(`worker-${EU}`);
});

describe('an intent that its host could not read', () => {
  const unreadable = (position: number) =>
    claim(
      EU,
      NO_PROJECT,
      'unreadable-intent',
      claimBytes('unreadable-intent', NO_PROJECT, {
        position,
        intentSubject: subjects.intent(EU, 'atlas', 'backup'),
        reason: 'this version knows no such intent',
      }),
    );

  it('is sent to it again when another version runs there, and carried out', async () => {
    await product.stack.kill(`worker-${EU}`);
    const { id: operationId } = await product.api.ask('/v1/projects/atlas/backups');
    const position = await intentOf(operationId);
    // What a worker does that cannot read it: it tells, and is done with it.
    await unreadable(position);
    await asHost(EU, async (nats) => {
      const js = jetstream(nats, { apiPrefix: 'CP.API' });
      const consumer = await js.consumers.get(STREAM.log, hostConsumer.work(EU));
      await until(
        async () => {
          const message = await consumer.next({ expires: 2_000 });
          await message?.ackAck();
          return message?.seq === position;
        },
        { what: 'the intent' },
      );
    });
    const letter = await letterOf(STREAM.log, position);
    expect(letter).toMatchObject({ hostId: EU, reason: 'this version knows no such intent' });

    await product.stack.restart(`worker-${EU}`);
    const before = await product.api.get<Operation>(`/v1/operations/${operationId}`);
    expect(before).toMatchObject({ state: 'queued', attempts: 0 });
    expect((await replay(letter)).status).toBe(200);
    expect(await product.api.ended(operationId)).toMatchObject({ state: 'succeeded', attempts: 1 });
    expect(await list()).toEqual([]);
  });

  it('is not sent when its operation has ended, and stays', async () => {
    const { id: operationId } = await product.backUp('atlas');
    const position = await intentOf(operationId);
    await unreadable(position);
    const letter = await letterOf(STREAM.log, position);
    const answer = await replay(letter);
    expect(answer).toMatchObject({ status: 409, body: { code: 'operation-ended' } });
    expect(answer.body.detail).toContain('succeeded');
    expect(await list()).toEqual([letter]);
    expect((await call('DELETE', letter.id)).status).toBe(200);
  });
});
