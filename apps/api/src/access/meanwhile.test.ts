import { once } from 'node:events';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { subjects, type ProjectRole, type Refusal } from '@buckets/contracts';
import { until } from '@buckets/patience';
import { Decider } from '../decisions/decider.js';
import { TrialIssuer } from '../oidc/testing/trial-issuer.js';
import { created, event, HERE, READY, requestedEvent, snapshot } from '../state/testing/given.js';
import { RunningApi, type Answer } from '../testing/running-api.js';
import { Admission } from './admission.js';

jest.setTimeout(30_000);

/** Who has a role as they come in, and none any more when it counts. */
let issuer: TrialIssuer;
let api: RunningApi;
let bob: { id: string; token: string };
let host: NatsConnection;
/** How many were let in. */
let admitted: number;

beforeAll(async () => {
  issuer = await TrialIssuer.start();
  api = await RunningApi.start(issuer.settings);
  host = await api.parts.connect({ user: 'admin' });
  const token = await issuer.token('bob');
  bob = { token, id: String((await api.call('GET', '/v1/me', { token })).body['id']) };
  const [, ...rest] = READY;
  await api.given('atlas', [
    event('created', { ...created, ownerId: 'ada' }),
    ...rest,
    requestedEvent('op-1', 'backup'),
  ]);
  const admission = api.part(Admission);
  const admit = admission.admit.bind(admission);
  jest.spyOn(admission, 'admit').mockImplementation(async (...asked) => {
    const what = await admit(...asked);
    admitted++;
    return what;
  });
});
afterAll(async () => {
  await api?.stop();
  await issuer?.stop();
});
beforeEach(() => {
  admitted = 0;
});

const atlas = '/v1/projects/atlas';
const be = async (role: ProjectRole) =>
  expect(await api.call('PUT', `${atlas}/members/${bob.id}`, { body: { role } })).toMatchObject({ status: 200 });
const isLetIn = () => until(() => admitted > 0, { what: 'the request is let in' });

/** A decision about the project keeps all others waiting, until it is called. */
async function hold(): Promise<() => Promise<unknown>> {
  const [held, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const holding = api.part(Decider).decide('project', 'atlas', async () => {
    held.resolve();
    await gate.promise;
    return { events: [] };
  });
  await held.promise;
  admitted = 0;
  return () => {
    gate.resolve();
    return holding;
  };
}

/** Does something while a request waits for its turn, as another copy of the API does it. */
async function inBetween(ask: () => Promise<Answer>, done: Parameters<typeof event>): Promise<Answer> {
  const letGo = await hold();
  const answer = ask();
  await isLetIn();
  const { seq } = (await api.jsm.streams.getMessage('BUCKETS', {
    last_by_subj: subjects.eventsOf('project', 'atlas'),
  }))!;
  await api.given('atlas', [event(...done)], seq);
  await letGo();
  return answer;
}

describe('a command that waits while its caller loses their role', () => {
  const removed = () => ['member-removed', { userId: bob.id, requestedBy: 'admin' }] as Parameters<typeof event>;
  const position = () => api.parts.lastPosition(api.jsm);

  it.each<[ProjectRole, string, string, object | undefined]>([
    ['collaborator', 'POST', `${atlas}/start`, {}],
    ['collaborator', 'POST', `${atlas}/stop`, {}],
    ['collaborator', 'POST', `${atlas}/backups`, {}],
    ['collaborator', 'POST', `${atlas}/backups/${snapshot(1)}/restore`, {}],
    ['collaborator', 'POST', `${atlas}/backups/${snapshot(1)}/accept`, {}],
    ['collaborator', 'POST', `${atlas}/verify`, {}],
    ['collaborator', 'POST', `${atlas}/changes`, { source: 'x' }],
    ['collaborator', 'POST', '/v1/operations/op-1/cancel', {}],
    ['owner', 'PATCH', atlas, { backupIntervalMinutes: 5 }],
    ['owner', 'POST', `${atlas}/tidy`, {}],
    ['owner', 'DELETE', `${atlas}/backups/${snapshot(1)}`, undefined],
    ['owner', 'PUT', `${atlas}/members/{bob}`, { role: 'owner' }],
    ['owner', 'DELETE', `${atlas}/members/ada`, undefined],
  ])('as %s is not decided: %s %s', async (role, method, path, body) => {
    for (const key of [undefined, `${method} ${path}`.replaceAll(' ', '-')]) {
      await be(role);
      const before = await position();
      const headers: Record<string, string> = key === undefined ? {} : { 'idempotency-key': key };
      const ask = () =>
        api.call(method, path.replace('{bob}', bob.id), { token: bob.token, headers, ...(body && { body }) });
      const answer = await inBetween(ask, removed());
      expect(answer).toMatchObject({
        status: 404,
        body: { code: expect.stringMatching(/^(project|operation)-not-found$/) },
      });
      // The removal, and nothing else.
      expect(await position()).toBe(before + 1);
    }
  });

  it('is not decided where they are less than they have to be by then', async () => {
    await be('collaborator');
    const before = await position();
    const answer = await inBetween(
      () => api.call('POST', `${atlas}/stop`, { token: bob.token, body: {} }),
      ['member-set', { userId: bob.id, role: 'viewer', requestedBy: 'admin' }],
    );
    expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(await position()).toBe(before + 1);
  });

  it('is decided where they are still what they have to be', async () => {
    await be('owner');
    const answer = await inBetween(
      () => api.call('POST', `${atlas}/changes`, { token: bob.token, body: { source: 'x' } }),
      ['member-set', { userId: bob.id, role: 'collaborator', requestedBy: 'admin' }],
    );
    expect(answer).toMatchObject({ status: 200 });
  });
});

it('one who asks for much of a project does not keep its owner from taking their role away', async () => {
  const scopes = ['projects:write'];
  const { body: owners } = await api.call('POST', '/v1/api-keys', { body: { name: 'k', scopes, ownerId: 'ada' } });
  await be('collaborator');
  const letGo = await hold();
  const asked = jest.spyOn(api.part(Decider), 'decide');
  let refused = 0;
  const answers = Array.from({ length: 30 }, async (_, n) => {
    const body = { source: `x-${n}` };
    const { status } = await api.call('POST', `${atlas}/changes`, { token: bob.token, body });
    if (status === 429) refused++;
    return status;
  });
  await until(() => refused === 20, { what: 'all but ten are refused' });
  const removal = api.call('DELETE', `${atlas}/members/${bob.id}`, { token: String(owners['token']) });
  await until(() => asked.mock.calls.length === 31, { what: 'the removal waits, too' });
  asked.mockRestore();
  await letGo();
  expect(await removal).toMatchObject({ status: 204 });
  // They come after it.
  expect((await Promise.all(answers)).toSorted()).toEqual([
    ...Array<number>(10).fill(404),
    ...Array<number>(20).fill(429),
  ]);
});

it('a host that asks for much of another’s project keeps neither its people nor its own host from it', async () => {
  await be('owner');
  const grant = async (hostId: string, n: number) => {
    const attempt = { operationId: `op-${n}`, attemptId: `at-${n}`, kind: 'backup', generation: HERE.generation };
    const ask = { ...attempt, projectId: 'atlas', workerId: 'w', position: 1 };
    const answer = await api.nats.request(subjects.ask(hostId, 'grant'), JSON.stringify(ask), { timeout: 10_000 });
    return answer.json<{ refused?: Refusal }>().refused;
  };
  const letGo = await hold();
  const asked = jest.spyOn(api.part(Decider), 'decide');
  const refusals: (Refusal | undefined)[] = [];
  const foreign = Array.from({ length: 150 }, async (_, n) => refusals.push(await grant('h9', n)));
  await until(() => refusals.length === 140, { what: 'all but ten are refused' });
  expect(new Set(refusals.map((each) => `${each?.code} ${each?.retry}`))).toEqual(new Set(['too-many-waiting true']));
  const own = grant(HERE.hostId, 1_000);
  const change = api.call('POST', `${atlas}/changes`, { token: bob.token, body: { source: 'x' } });
  const removal = api.call('DELETE', `${atlas}/members/${bob.id}`);
  await until(() => asked.mock.calls.length === 153, { what: 'all of them wait, too' });
  asked.mockRestore();
  await letGo();
  expect(await removal).toMatchObject({ status: 204 });
  // The administrator's turn came before theirs.
  expect(await change).toMatchObject({ status: 404 });
  expect(await own).not.toMatchObject({ code: expect.stringMatching(/^too-/) });
  await Promise.all(foreign);
  expect(refusals.slice(140).map((each) => each?.code)).toEqual(Array<string>(10).fill('overtaken'));
});

describe('a stream of an operation', () => {
  it.each(['role', 'key'] as const)('shows nothing more once its reader’s %s is gone', async (what) => {
    const { body: made } = await api.call('POST', '/v1/api-keys', { body: { name: 'k', scopes: ['operations:read'] } });
    await be('viewer');
    const { body: operation } = await api.call('POST', `${atlas}/stop`, { body: {} });
    const address = `/v1/operations/${String(operation['id'])}`;
    const token = what === 'role' ? bob.token : String(made['token']);
    const response = await fetch(`${api.url}${address}/events`, { headers: { authorization: `Bearer ${token}` } });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toContain('"state":"queued"');
    const gone = what === 'role' ? `${atlas}/members/${bob.id}` : `/v1/api-keys/${String(made['id'])}`;
    expect(await api.call('DELETE', gone)).toMatchObject({ status: 204 });
    await api.call('POST', `${address}/cancel`, { body: {} });
    const more = await reader.read().catch(() => ({ done: true, value: undefined }));
    expect(more).toEqual({ done: true, value: undefined });
  });
});

it('a wait for the end of an operation shows nothing to whoever has lost their role meanwhile', async () => {
  await be('viewer');
  const { body: operation } = await api.call('POST', `${atlas}/stop`, { body: {} });
  const address = `/v1/operations/${String(operation['id'])}`;
  admitted = 0;
  const waiting = api.call('GET', `${address}?wait=60s`, { token: bob.token });
  await isLetIn();
  await api.call('DELETE', `${atlas}/members/${bob.id}`);
  await api.call('POST', `${address}/cancel`, { body: {} });
  expect(await waiting).toMatchObject({ status: 404, body: { code: 'operation-not-found' } });
});

it('one caller has so many streams at most, and leaves room for others, the administrator and the health', async () => {
  await be('viewer');
  const { body: operation } = await api.call('POST', `${atlas}/stop`, { body: {} });
  const address = `/v1/operations/${String(operation['id'])}`;
  const over = new AbortController();
  const follow = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(`${api.url}${address}/events`, { headers, signal: over.signal })).status;
  };
  try {
    const statuses = await Promise.all(Array.from({ length: 30 }, () => follow(bob.token)));
    expect(statuses.toSorted()).toEqual([...Array<number>(20).fill(200), ...Array<number>(10).fill(429)]);
    expect(await follow(api.adminToken)).toBe(200);
    expect((await fetch(`${api.url}/health/live`)).status).toBe(200);
  } finally {
    over.abort();
    await api.call('POST', `${address}/cancel`, { body: {} });
  }
  // Places are given back: the stream of what has ended ends by itself.
  const asBob = { headers: { authorization: `Bearer ${bob.token}` } };
  await until(async () => (await fetch(`${api.url}${address}/events`, asBob)).ok);
});

describe('a file that comes in slowly', () => {
  let sending: ClientRequest;
  let steps: string[];
  let before: Record<string, () => Promise<unknown>>;
  let unsubscribe: () => void;

  beforeEach(async () => {
    [steps, before] = [[], {}];
    const subscription = host.subscribe(subjects.request(HERE.hostId, 'files'), {
      callback: (_, message) => {
        const { do: step } = message.json<{ do: string }>();
        steps.push(step);
        void Promise.resolve(before[step]?.()).then(() =>
          message.respond(JSON.stringify({ ok: step === 'begin-write' ? { uploadId: 'u1' } : {} })),
        );
      },
    });
    unsubscribe = () => subscription.unsubscribe();
    await host.flush();
  });
  afterEach(() => {
    unsubscribe();
    sending?.destroy();
  });

  /** Sends half of a file. */
  function send(token: string): Promise<{ status: number; code?: string }> {
    sending = httpRequest(`${api.url}${atlas}/files?path=project/a`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream', 'content-length': 8 },
    });
    const answered = once(sending, 'response').then(async ([response]) => {
      const body = await text(response as IncomingMessage);
      const { code } = (body === '' ? {} : JSON.parse(body)) as { code?: string };
      return { status: (response as IncomingMessage).statusCode!, ...(code === undefined ? {} : { code }) };
    });
    sending.write('half');
    return answered;
  }

  it('is not written once its sender has no role any more', async () => {
    await be('collaborator');
    admitted = 0;
    const answered = send(bob.token);
    await isLetIn();
    await api.call('DELETE', `${atlas}/members/${bob.id}`);
    sending.end('half');
    expect(await answered).toEqual({ status: 404, code: 'project-not-found' });
    expect(steps).toEqual([]);
  });

  it('is not written once its key is revoked', async () => {
    const { body: key } = await api.call('POST', '/v1/api-keys', { body: { name: 'k', scopes: ['files:write'] } });
    admitted = 0;
    const answered = send(String(key['token']));
    await isLetIn();
    await api.call('DELETE', `/v1/api-keys/${String(key['id'])}`);
    sending.end('half');
    expect(await answered).toEqual({ status: 401, code: 'wrong-token' });
    expect(steps).toEqual([]);
  });

  it('does not appear where its sender was removed while its host was slow', async () => {
    await be('collaborator');
    admitted = 0;
    before['write-chunk'] = () => api.call('DELETE', `${atlas}/members/${bob.id}`);
    const answered = send(bob.token);
    await isLetIn();
    sending.end('half');
    expect(await answered).toMatchObject({ status: 404 });
    expect(steps).toEqual(['begin-write', 'write-chunk', 'abort-write']);
  });

  it('is written of whoever may still', async () => {
    await be('collaborator');
    admitted = 0;
    const answered = send(bob.token);
    await isLetIn();
    sending.end('half');
    expect(await answered).toEqual({ status: 204 });
    expect(steps).toEqual(['begin-write', 'write-chunk', 'commit-write']);
  });
});

describe('a host that is slow with a read', () => {
  const entry = { name: 'a', size: 4, mtime: '2031-02-03T04:05:06.789Z', mode: '0644' };
  const answers = (type: string): Record<string, object> => ({
    stat: { ...entry, type },
    list: { entries: [{ ...entry, type: 'file' }] },
    read: { bytes: Buffer.from('seen').toString('base64'), size: 4, token: 't', eof: true },
  });

  it.each([
    ['file', 'read'],
    ['folder', 'list'],
  ])('shows no %s to whoever has lost their role meanwhile', async (type, last) => {
    let beforeLast: () => Promise<unknown> = () => Promise.resolve();
    const subscription = host.subscribe(subjects.request(HERE.hostId, 'files'), {
      callback: (_, message) => {
        const { do: step } = message.json<{ do: string }>();
        void (step === last ? beforeLast() : Promise.resolve()).then(() =>
          message.respond(JSON.stringify({ ok: answers(type)[step] })),
        );
      },
    });
    try {
      await host.flush();
      await be('viewer');
      const get = async () => {
        const headers = { authorization: `Bearer ${bob.token}` };
        const response = await fetch(`${api.url}${atlas}/files?path=project/a`, { headers });
        return { status: response.status, text: await response.text() };
      };
      expect(await get()).toMatchObject({ status: 200 });
      beforeLast = () => api.call('DELETE', `${atlas}/members/${bob.id}`);
      const answer = await get();
      expect(answer.status).toBe(404);
      expect(JSON.parse(answer.text)).toMatchObject({ code: 'project-not-found' });
    } finally {
      subscription.unsubscribe();
    }
  });
});
