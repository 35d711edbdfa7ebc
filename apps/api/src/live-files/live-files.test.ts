import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { LIVE_CHUNK_BYTES, subjects } from '@buckets/contracts';
import { poisonRequests } from '../../../../libs/contracts/src/testing/poisons.js';
import { HERE, READY } from '../state/testing/given.js';
import { RunningApi } from '../testing/running-api.js';

jest.setTimeout(180_000);

/** A host may answer anything: here one that was taken over does. */
describe('whatever a host answers about live files', () => {
  let api: RunningApi;
  let host: NatsConnection;
  let answering: Subscription | undefined;
  let asked: Record<string, unknown>[];

  beforeAll(async () => {
    api = await RunningApi.start();
    host = await api.parts.connect({ user: 'admin' });
    await api.given('atlas', READY);
  });
  afterAll(async () => {
    await api.stop();
  });
  afterEach(() => {
    answering?.unsubscribe();
    answering = undefined;
  });

  async function answer(reply: (step: Record<string, unknown>) => unknown): Promise<void> {
    asked = [];
    answering?.unsubscribe();
    answering = host.subscribe(subjects.request(HERE.hostId, 'files'), {
      callback: (_, message) => {
        const step = message.json<Record<string, unknown>>();
        asked.push(step);
        const content = reply(step);
        message.respond(content instanceof Uint8Array ? content : JSON.stringify(content));
      },
    });
    await host.flush();
  }
  const get = async (path?: string) => {
    const query = path === undefined ? '' : `?path=${path}`;
    const response = await fetch(`${api.url}/v1/projects/atlas/files${query}`, {
      headers: { authorization: `Bearer ${api.adminToken}` },
    });
    return { status: response.status, text: await response.text() };
  };
  const entry = { name: 'file', type: 'file', size: 1, mtime: '2031-02-03T04:05:06.789Z', mode: '0644' };
  const chunk = { bytes: '', size: 1, token: 't', eof: false };

  it.each(poisonRequests())('%s: it is told, and nothing fails', async (_, bytes) => {
    await answer(() => bytes);
    expect((await get()).status).toBe(503);
    await answer(() => Buffer.concat([Buffer.from('{"ok":'), bytes, Buffer.from('}')]));
    expect([502, 503]).toContain((await get()).status);
  });

  it.each([
    { refused: { code: '__proto__', detail: 'x', retry: false } },
    { refused: { code: 'constructor', detail: 'x', retry: false } },
    { ok: { entries: 'none' } },
    { ok: { entries: [null] } },
    { ok: { entries: [{ ...entry, size: 'large' }] } },
    { ok: { entries: [{ ...entry, type: 'door' }] } },
    { ok: { entries: Array.from({ length: 501 }, () => entry) } },
    { ok: { entries: [], nextCursor: '' } },
  ])('%j: it is refused', async (content) => {
    await answer(() => content);
    expect([409, 502, 503]).toContain((await get()).status);
  });

  it('what it says beside that is not shown', async () => {
    await answer(() => ({ ok: { entries: [{ ...entry, secret: 1 }], also: 2 } }));
    expect(JSON.parse((await get()).text)).toEqual({ entries: [entry] });
  });

  it('pages without an end are not read for ever', async () => {
    await answer(() => ({ ok: { entries: [], nextCursor: 'again' } }));
    expect((await get()).status).toBe(200);
    expect(asked.length).toBeLessThanOrEqual(2);
  });

  it.each([
    ['parts without an end', { ...chunk, bytes: Buffer.alloc(LIVE_CHUNK_BYTES).toString('base64') }, 413],
    ['parts that are too short', { ...chunk, bytes: 'AA==' }, 502],
    ['parts with nothing in them', chunk, 502],
    ['parts that are too large', { ...chunk, bytes: Buffer.alloc(LIVE_CHUNK_BYTES + 1).toString('base64') }, 502],
    ['a file that is too large', { ...chunk, size: 2 ** 40, bytes: 'AA==', eof: true }, 413],
  ])('a file of %s is not read', async (_, part, status) => {
    await answer((step) => ({ ok: step['do'] === 'stat' ? entry : part }));
    expect((await get('project/file')).status).toBe(status);
    expect(asked.length).toBeLessThanOrEqual(20);
  });
});
