import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { READY, recordedEvent, requestedEvent } from '../state/testing/given.js';
import { RunningApi } from '../testing/running-api.js';

jest.setTimeout(60_000);

describe('the edge of the API', () => {
  let api: RunningApi;

  beforeAll(async () => {
    api = await RunningApi.start();
    await api.given('atlas', READY);
  });
  afterAll(async () => {
    await api.stop();
  });

  const region = (id: string, name = 'R') => ({ id, name, latitude: 1, longitude: 2 });
  const post = (path: string, body: unknown, key?: string, token?: string) =>
    api.call('POST', path, {
      body,
      ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }),
      ...(token === undefined ? {} : { token }),
    });
  const refused = (status: number, code: string) => ({ status, body: expect.objectContaining({ status, code }) });

  describe('an Idempotency-Key', () => {
    const logged = async () => api.parts.lastPosition(api.jsm);

    it('makes of two same requests one, with one answer', async () => {
      const first = await post('/v1/regions', region('same'), 'key-1');
      const before = await logged();
      expect(await post('/v1/regions', region('same'), 'key-1')).toMatchObject({ status: 201, body: first.body });
      expect(await logged()).toBe(before);

      const made = await post('/v1/regions', { ...region(''), id: undefined }, 'key-2');
      const again = await post('/v1/regions', { longitude: 2, latitude: 1, name: 'R' }, 'key-2');
      expect(again.body).toEqual(made.body);

      const operation = await post('/v1/projects/atlas/stop', {}, 'key-3');
      expect(operation).toMatchObject({ status: 202, body: { kind: 'stop' } });
      expect((await post('/v1/projects/atlas/stop', {}, 'key-3')).body['id']).toBe(operation.body['id']);
      expect(operation.headers.get('location')).toBe(`/v1/operations/${String(operation.body['id'])}`);
    });

    it('makes one of many that come at once', async () => {
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => post('/v1/projects/atlas/backups', {}, 'key-many')),
      );
      expect(new Set(answers.map(({ body }) => body['id'])).size).toBe(1);
      expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 202));
    });

    it('is refused for another request: another body, another name, another address', async () => {
      await post('/v1/regions', region('one'), 'key-4');
      const before = await logged();
      const reused = refused(409, 'idempotency-key-reused');
      expect(await post('/v1/regions', region('one', 'Other'), 'key-4')).toMatchObject(reused);
      expect(await post('/v1/regions', region('two'), 'key-4')).toMatchObject(reused);
      expect(await post('/v1/hosts', { name: 'h', regionId: 'one' }, 'key-4')).toMatchObject(reused);
      expect(await post('/v1/projects/atlas/backups', {}, 'key-4')).toMatchObject(reused);
      expect(await logged()).toBe(before);
    });

    it('is its caller’s own', async () => {
      const key = await post('/v1/api-keys', { name: 'k', scopes: ['regions:write'] });
      await post('/v1/regions', region('mine'), 'key-5');
      expect(await post('/v1/regions', region('theirs'), 'key-5', String(key.body['token']))).toMatchObject({
        status: 201,
      });
    });

    it('may be used again for a request that was refused and is put right', async () => {
      expect(await post('/v1/hosts', { id: 'hx', name: 'h', regionId: 'nowhere' }, 'key-6')).toMatchObject(
        refused(404, 'region-not-found'),
      );
      expect(await post('/v1/hosts', { id: 'hx', name: '', regionId: 'one' }, 'key-6')).toMatchObject({ status: 400 });
      expect(await post('/v1/hosts', { id: 'hx', name: 'h', regionId: 'one' }, 'key-6')).toMatchObject({ status: 201 });
    });

    it.each(['', ' ', 'a b', 'ü', 'x'.repeat(256)])('has to look like one: %j', async (key) => {
      const answer = await api.call('POST', '/v1/regions', {
        body: region('never'),
        headers: { 'idempotency-key': Buffer.from(key).toString('latin1') },
      });
      expect(answer).toMatchObject(refused(400, 'invalid-idempotency-key'));
    });

    it('is forgotten after a week', async () => {
      const { data } = api;
      await data.query(`UPDATE api.request_key SET at = now() - interval '8 days'`);
      const count = async () =>
        (await data.query<[{ n: number }]>('SELECT count(*)::int AS n FROM api.request_key'))[0].n;
      await data.query(
        `INSERT INTO api.request_key SELECT 'old-' || n, '', now() - interval '8 days' FROM generate_series(1, 70) n`,
      );
      const before = await count();
      await post('/v1/regions', region('later'), 'key-7');
      // In pieces.
      expect(await count()).toBe(before + 1 - 50);
      for (let n = 0; n < 3; n++) await post('/v1/regions', region(`later-${n}`), `key-later-${n}`);
      expect(await count()).toBe(4);
    });

    it('is new again after a week, for another request too', async () => {
      await post('/v1/regions', region('once'), 'key-week');
      expect(await post('/v1/regions', region('again'), 'key-week')).toMatchObject(
        refused(409, 'idempotency-key-reused'),
      );
      await api.data.query(`UPDATE api.request_key SET at = now() - interval '8 days'`);
      expect((await post('/v1/regions', region('again'), 'key-week')).body['code']).not.toBe('idempotency-key-reused');
    });

    it('of a request that changes nothing is not kept', async () => {
      const count = async () =>
        (await api.data.query<[{ n: number }]>('SELECT count(*)::int AS n FROM api.request_key'))[0].n;
      const before = await count();
      for (let n = 0; n < 3; n++) {
        const headers = { 'idempotency-key': `key-of-get-${n}` };
        expect(await api.call('GET', '/v1/regions', { headers })).toMatchObject({ status: 200 });
      }
      expect(await count()).toBe(before);
    });

    it('gives no two tokens away', async () => {
      expect(await post('/v1/api-keys', { name: 'k', scopes: ['admin'] }, 'key-8')).toMatchObject({ status: 201 });
      expect(await post('/v1/api-keys', { name: 'k', scopes: ['admin'] }, 'key-8')).toMatchObject(
        refused(409, 'api-key-exists'),
      );
    });
  });

  describe('a list', () => {
    beforeAll(async () => {
      const operations = Array.from({ length: 7 }, (_, i) => requestedEvent(`page-${i}`, 'stop'));
      await api.given('pages', [...READY.map(renamed), ...operations, recordedEvent(1)]);
    });
    const renamed = (event: (typeof READY)[number]) =>
      ({
        ...event,
        data: { ...event.data, ...('operationId' in event.data ? { operationId: 'op-of-pages' } : {}) },
      }) as typeof event;
    const page = async (query: string) => {
      const { body } = await api.call('GET', `/v1/operations?projectId=pages${query}`);
      return {
        ids: (body['items'] as { id: string }[]).map(({ id }) => id),
        next: body['nextCursor'] as string | undefined,
      };
    };

    it('comes in pages that fit together, while more is added', async () => {
      const first = await page('&limit=3');
      expect(first.ids).toEqual(['page-6', 'page-5', 'page-4']);
      await api.given(
        'other',
        READY.map(
          (event) =>
            ({
              ...event,
              data: { ...event.data, ...('operationId' in event.data ? { operationId: 'op-of-other' } : {}) },
            }) as typeof event,
        ),
      );
      const second = await page(`&limit=3&cursor=${first.next}`);
      expect(second.ids).toEqual(['page-3', 'page-2', 'page-1']);
      const third = await page(`&limit=3&cursor=${second.next}`);
      expect(third).toEqual({ ids: ['page-0', 'op-of-pages'], next: undefined });
      expect((await page('&limit=8')).next).toBeUndefined();
    });

    it.each(['x', 'cA', 'p12', Buffer.from('p1;DROP').toString('base64url'), Buffer.from('p').toString('base64url')])(
      'takes no cursor but its own: %s',
      async (cursor) => {
        expect(await api.call('GET', `/v1/operations?cursor=${cursor}`)).toMatchObject(refused(400, 'invalid-cursor'));
      },
    );

    it.each(['0', '501', '1.5', '1e2', '-1', 'ten', '', '0x10', '٣'])('has no limit of %s', async (limit) => {
      expect(await api.call('GET', `/v1/operations?limit=${limit}`)).toMatchObject(refused(400, 'invalid-request'));
    });
  });

  it('takes no text that a database cannot keep', async () => {
    const unstorable = refused(400, 'unstorable-text');
    expect(await post('/v1/regions', { ...region('nul'), name: 'a\0b' })).toMatchObject(unstorable);
    expect(await post('/v1/regions', { ...region('half'), name: 'a\ud800' })).toMatchObject(unstorable);
    expect(await api.call('GET', '/v1/projects?ownerId=%00')).toMatchObject(unstorable);
    expect(await post('/v1/regions', region('fine', '\\u0000 😀'))).toMatchObject({ status: 201 });
  });

  it('takes a title as it is, or not at all: nothing in it is replaced in silence', async () => {
    const change = (title: string) => api.call('PATCH', '/v1/projects/atlas', { body: { title } });
    const before = (await api.call('GET', '/v1/projects/atlas')).body['title'];
    for (const title of ['a\0b', 'a\ud800', '\udc00b']) {
      expect(await change(title)).toMatchObject(refused(400, 'unstorable-text'));
    }
    const sent = (body: Buffer) =>
      fetch(`${api.url}/v1/projects/atlas`, {
        method: 'PATCH',
        headers: { authorization: `Bearer ${api.adminToken}`, 'content-type': 'application/json' },
        body,
      });
    expect((await sent(Buffer.from('{"title":"a\xffb"}', 'latin1'))).status).toBe(400);
    expect((await sent(Buffer.alloc(0))).status).toBe(400);
    expect((await api.call('PATCH', '/v1/projects/atlas')).status).toBe(400);
    expect((await api.call('GET', '/v1/projects?ownerId=%ff')).status).toBe(400);
    expect((await api.call('GET', '/v1/projects/atlas')).body['title']).toBe(before);
  });

  it('takes the end of an API key in any form that RFC 3339 has, and no other', async () => {
    const key = (expiresAt: string) => post('/v1/api-keys', { name: 'k', scopes: ['regions:read'], expiresAt });
    for (const text of ['2031-02-03t04:05:06z', '2031-02-03T05:05:06.000001+01:00']) {
      expect(await key(text)).toMatchObject({ status: 201, body: { expiresAt: '2031-02-03T04:05:06.000Z' } });
    }
    for (const text of ['2031', '2031-02-03', '20310203T040506Z', '2031-W05', '2031-02-30T00:00:00Z', 'never', '']) {
      expect([text, await key(text)]).toEqual([text, expect.objectContaining(refused(400, 'invalid-request'))]);
    }
  });

  it('takes a request without a body for one that asks for nothing special', async () => {
    for (const path of ['start', 'stop', 'backups']) {
      expect(await api.call('POST', `/v1/projects/atlas/${path}`)).toMatchObject({ status: 202 });
    }
  });

  it('tells of an operation by events, from a real request to its end', async () => {
    const { body } = await post('/v1/projects/atlas/stop', {});
    const id = String(body['id']);
    const response = await fetch(`${api.url}/v1/operations/${id}/events`, {
      headers: { authorization: `Bearer ${api.adminToken}` },
    });
    const [{ position }] = await api.data.query<[{ position: string }]>(
      `SELECT position FROM api.thing_state WHERE thing = 'project' AND id = 'atlas'`,
    );
    await api.given('atlas', [{ thing: 'project', type: 'stop-expired', data: { operationId: id } }], Number(position));
    const text = await response.text();
    expect([...text.matchAll(/"state":"(\w+)"/g)].map(([, state]) => state)).toEqual(['queued', 'expired']);
    const lastId = [...text.matchAll(/^id: (\d+)$/gm)].at(-1)![1]!;
    const again = await fetch(response.url, {
      headers: { authorization: `Bearer ${api.adminToken}`, 'last-event-id': lastId },
    });
    expect(again.status).toBe(204);
  });
});
