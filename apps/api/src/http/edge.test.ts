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
      const again = await post('/v1/api-keys', { name: 'k', scopes: ['admin'] }, 'key-8');
      expect(again).toMatchObject(refused(409, 'api-key-exists'));
      expect(again.body['detail']).toMatch(/^The API key \S+ was made .* shown then, once.* revoke .* make another/);
      const described = (await api.call('GET', '/openapi.json')).body as unknown as {
        paths: Record<string, { post: { parameters: { name: string; description: string }[] } }>;
      };
      const promised = (path: string) =>
        described.paths[path]!.post.parameters.find(({ name }) => name === 'Idempotency-Key')!.description;
      expect(promised('/v1/regions')).toContain('answered alike');
      expect(promised('/v1/api-keys')).not.toContain('answered alike');
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
    for (const text of ['2020-01-01T00:00:00Z', '0000-01-01T00:00:00Z', new Date().toISOString()]) {
      expect(await key(text)).toMatchObject(refused(400, 'expires-in-the-past'));
    }
    for (const text of ['2031', '2031-02-03', '20310203T040506Z', '2031-W05', '2031-02-30T00:00:00Z', 'never', '']) {
      expect([text, await key(text)]).toEqual([text, expect.objectContaining(refused(400, 'invalid-request'))]);
    }
  });

  it('says what is meant of a request that is not understood', async () => {
    const said = async (method: string, path: string, body?: unknown) =>
      String((await api.call(method, path, body === undefined ? {} : { body })).body['detail']);
    expect(await said('GET', '/v1/operations?limit=1&limit=2')).toContain('limit is given 2 times: give it once');
    expect(await said('GET', '/v1/operations/x?wait=30')).toContain('with its unit');
    expect(await said('DELETE', '/v1/projects/atlas/files?path=project/a&recursive=yes')).toContain('true or false');
    expect(await said('POST', '/v1/projects/atlas/verify', { readData: '0.1' })).toContain('without quotes');
    expect(await said('POST', '/v1/regions', null)).toContain('is JSON, but no object');
    expect(await said('POST', '/v1/regions', { nmae: 'x', latitude: 1, longitude: 2 })).toContain('name is missing');
    expect(await said('PATCH', '/v1/projects/atlas', { ownerId: 'Ada Lovelace' })).toContain('no names or addresses');
  });

  it('says of each route that it has what it does', async () => {
    const { body } = await api.call('GET', '/openapi.json');
    const routes = Object.entries(body['paths'] as Record<string, Record<string, { summary?: string }>>).flatMap(
      ([path, methods]) => Object.entries(methods).map(([method, { summary }]) => [method, path, summary]),
    );
    expect(routes.length).toBeGreaterThan(45);
    for (const route of routes) expect(route).toEqual([route[0], route[1], expect.stringMatching(/^[A-Z].{5,}/)]);
  });

  it('takes nothing away by null but a title and a description', async () => {
    const change = (fields: object) => api.call('PATCH', '/v1/projects/atlas', { body: fields });
    for (const fields of [{ ownerId: null }, { backupIntervalMinutes: null }, { retention: null }]) {
      expect(await change(fields)).toMatchObject(refused(400, 'invalid-request'));
    }
    expect(await post('/v1/projects', { hostId: 'h1', title: null })).toMatchObject(refused(400, 'invalid-request'));
  });

  it('takes no text for people that would show as nothing', async () => {
    const refusal = refused(400, 'invalid-request');
    expect(await api.call('PATCH', '/v1/projects/atlas', { body: { title: ' \u00a0\n' } })).toMatchObject(refusal);
    expect(await post('/v1/regions', region('blank', '  '))).toMatchObject(refusal);
    expect(await post('/v1/api-keys', { name: ' ', scopes: ['admin'] })).toMatchObject(refusal);
  });

  it('takes a latitude and a longitude, or neither', async () => {
    for (const query of ['latitude=1', 'longitude=1']) {
      expect(await api.call('GET', `/v1/regions?${query}`)).toMatchObject(refused(400, 'half-a-place'));
    }
    expect(await api.call('GET', '/v1/regions?latitude=1&longitude=1')).toMatchObject({ status: 200 });
  });

  it('takes a bucket once, however its address is written', async () => {
    await post('/v1/regions', region('of-buckets'));
    const place = { regionId: 'of-buckets', endpoint: 'http://127.0.0.1:1', s3Region: 'r', bucket: 'known-bucket' };
    await api.given('known', [{ thing: 'bucket', type: 'created', data: { ...place, requestedBy: 'admin' } }]);
    const another = (endpoint: string) =>
      post('/v1/buckets', { ...place, endpoint, accessKeyId: 'a', secretAccessKey: 'b' });
    const exists = { ...refused(409, 'bucket-exists-as'), body: expect.objectContaining({ bucketId: 'known' }) };
    expect(await another('http://127.0.0.1:1/')).toMatchObject(exists);
    expect(await another('https://127.0.0.1:1')).toMatchObject(exists);
    expect((await another('http://127.0.0.1:2')).body['code']).toBe('bucket-unusable');
  });

  it('says in its health of which buckets it has no credentials, of all of them', async () => {
    for (const id of ['lacking-1', 'lacking-2']) {
      const data = { regionId: 'r', endpoint: 'http://127.0.0.1:1', s3Region: 'r', bucket: id, requestedBy: 'admin' };
      await api.given(id, [{ thing: 'bucket', type: 'created', data }]);
    }
    const { s3 } = (await api.call('GET', '/health/ready')).body['checks'] as { s3: { reason: string } };
    expect(s3).toMatchObject({ status: 'down', needsOperator: true });
    expect(s3.reason).toMatch(/lacking-1, lacking-2.*BUCKETS_BUCKET_CREDENTIALS_FILE.*npm run restore-vault/);
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
