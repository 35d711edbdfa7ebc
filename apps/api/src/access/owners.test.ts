import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { SCOPES, subjects, type NewEvent, type Scope } from '@buckets/contracts';
import { newKey, TrialIssuer } from '../oidc/testing/trial-issuer.js';
import { HostSigns } from '../hosts/host-signs.js';
import { event, READY, requestedEvent, snapshot } from '../state/testing/given.js';
import { RunningApi, type Answer } from '../testing/running-api.js';
import { ApiModule } from '../api.module.js';
import { controllersOf } from '../wiring/controllers.js';
import { ASKERS, matrixOf, withMatrix } from './matrix.js';
import { routesOf } from './routes.js';
import { tokenHash } from './tokens.js';

jest.setTimeout(120_000);

const SECURITY = new URL('../../../../docs/security.md', import.meta.url);
const ADDRESS = 'ada.lovelace@example.org';

let issuer: TrialIssuer;
let api: RunningApi;
/** Ids of people, by the name that the issuer has for them. */
let ids: Record<'owner' | 'collaborator' | 'viewer' | 'stranger', string>;

beforeAll(async () => {
  issuer = await TrialIssuer.start();
  api = await RunningApi.start(issuer.settings);
  const idOf = async (subject: string) => String((await post('/v1/user-ids', { subject })).body['id']);
  ids = {
    owner: await idOf(ADDRESS),
    collaborator: await idOf('collaborator'),
    viewer: await idOf('viewer'),
    stranger: await idOf('stranger'),
  };
  await newProject('own', ids.owner);
  await newProject('foreign', 'someone');
  for (const role of ['collaborator', 'viewer'] as const) {
    expect(await put(`/v1/projects/own/members/${ids[role]}`, { role })).toMatchObject({ status: 200 });
  }
});
afterAll(async () => {
  await api?.stop();
  await issuer?.stop();
});

/** A project whose data are on a host; its first operation is `op-<id>`. */
async function newProject(id: string, ownerId: string): Promise<void> {
  const own = READY.map(({ data, ...each }) => ({
    ...each,
    data: {
      ...data,
      ...('ownerId' in data ? { ownerId } : {}),
      ...('operationId' in data ? { operationId: `op-${id}` } : {}),
    },
  })) as NewEvent<'project'>[];
  await api.given(id, own);
}

interface Call {
  body?: unknown;
  token?: string | null;
}
const call = (method: string, path: string, options: Call = {}) => api.call(method, path, options);
const post = (path: string, body: unknown, token?: string) =>
  call('POST', path, { body, ...(token === undefined ? {} : { token }) });
const put = (path: string, body: unknown, token?: string) =>
  call('PUT', path, { body, ...(token === undefined ? {} : { token }) });
const refused = (status: number, code: string) => ({ status, body: expect.objectContaining({ status, code }) });
const person = (name: keyof typeof ids, claims = {}) => issuer.token(name === 'owner' ? ADDRESS : name, claims);
const newApiKey = async (fields: object, token?: string) =>
  (await post('/v1/api-keys', { name: 'k', ...fields }, token)).body as { id: string; token: string };
const positionOf = async (projectId: string) =>
  (await api.jsm.streams.getMessage('BUCKETS', { last_by_subj: subjects.eventsOf('project', projectId) }))!.seq;
const position = () => api.parts.lastPosition(api.jsm);
const codeOf = ({ body }: Answer) => body['code'] as string | undefined;

/** Tells of each query that the API makes, until it is called again. */
function watchQueries(tell: (query: string) => void): () => void {
  const { logger } = api.data;
  const watching = Object.assign(Object.create(Object.getPrototypeOf(logger) as object) as typeof logger, logger, {
    logQuery: (query: string) => tell(query),
  });
  Object.assign(api.data, { logger: watching });
  return () => void Object.assign(api.data, { logger });
}

describe('the matrix', () => {
  /** Of each route, what stands in the document for each asker. */
  let stated: Map<string, Record<string, string>>;
  beforeAll(async () => {
    const rows = (await readFile(SECURITY, 'utf8'))
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    const head = rows.find(([first]) => first === 'Route')!;
    stated = new Map(
      rows
        .filter(([first]) => /^`[A-Z]+ \/v1\//.test(first!))
        .map(([route, ...cells]) => [
          route!.slice(1, -1),
          Object.fromEntries(cells.map((cell, index) => [head[index + 1]!, cell.replaceAll('`', '')])),
        ]),
    );
  });

  it('in docs/security.md is what the code says: npm run access-matrix writes it', async () => {
    const document = await readFile(SECURITY, 'utf8');
    expect(withMatrix(document, matrixOf(routesOf(controllersOf(ApiModule))))).toBe(document);
  });

  it('has each route of the description, and no other', async () => {
    const { body } = await call('GET', '/openapi.json');
    const described = Object.entries(body['paths'] as Record<string, object>)
      .filter(([path]) => path.startsWith('/v1/'))
      .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`));
    expect([...stated.keys()].toSorted()).toEqual(described.toSorted());
    expect(described.length).toBeGreaterThan(40);
  });

  /** Asks as far as the question of who may: what is asked for is nonsense beyond that, or of something that is not there. */
  const ask = async (route: string, about: string, token: string | null): Promise<Answer> => {
    const [method, path] = route.split(' ') as [string, string];
    const filled = path
      .replace(/^(\/v1\/projects)\/\{id\}/, `$1/${about}`)
      .replace(/^(\/v1\/operations)\/\{id\}/, `$1/op-${about}`)
      .replace('{id}', 'none')
      .replace('{userId}', 'nobody')
      .replace('{backupId}', snapshot(9));
    const hasBody = method !== 'GET' && method !== 'DELETE';
    const response = await fetch(api.url + filled, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(hasBody ? { 'content-type': 'application/json' } : {}),
      },
      ...(hasBody ? { body: '{"nonsense":true}' } : {}),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: (text.startsWith('{') ? JSON.parse(text) : {}) as Record<string, unknown>,
    };
  };
  const SAID: Record<string, string> = {
    'no-token': '401',
    'wrong-token': '401',
    forbidden: '403',
    'project-not-found': '404',
    'operation-not-found': '404',
  };
  const said = (answer: Answer) => SAID[codeOf(answer) ?? ''] ?? (answer.status === 401 ? '401' : 'yes');

  it('is what each asker is answered on each route, and nobody changes anything by asking', async () => {
    const ofFleet = new Map<Scope, string>();
    const ofOwner = new Map<Scope, string>();
    for (const scope of SCOPES) {
      ofFleet.set(scope, (await newApiKey({ scopes: [scope] })).token);
      ofOwner.set(scope, (await newApiKey({ scopes: [scope], ownerId: ids.owner })).token);
    }
    const people = {
      operator: await person('stranger', { roles: ['operator'] }),
      owner: await person('owner'),
      collaborator: await person('collaborator'),
      viewer: await person('viewer'),
      'user, foreign': await person('stranger'),
    };
    const tokenOf = (asker: string, scope: Scope): string => {
      if (asker === 'admin') return api.adminToken;
      if (asker === 'key') return ofFleet.get(scope)!;
      if (asker.startsWith("owner's key")) return ofOwner.get(scope)!;
      return people[asker as keyof typeof people];
    };
    const before = await position();
    const found: Record<string, Record<string, string>> = {};
    for (const [route, cells] of stated) {
      const scope = cells['Scope'] as Scope;
      found[route] = { Scope: scope };
      for (const { name } of ASKERS) {
        const about = name.endsWith('foreign') ? 'foreign' : 'own';
        found[route]![name] = said(await ask(route, about, tokenOf(name, scope)));
      }
      for (const nobody of [null, 'made-up', `${await person('owner')}x`]) {
        expect([route, nobody, said(await ask(route, 'own', nobody))]).toEqual([route, nobody, '401']);
      }
      const others = await newScopesKey(scope);
      expect([route, said(await ask(route, 'own', others))]).toEqual([route, '403']);
    }
    expect(found).toEqual(Object.fromEntries(stated));
    // The keys of all other scopes were made meanwhile.
    expect(await position()).toBe(before + [...new Set([...stated.values()].map((cells) => cells['Scope']))].length);
  });

  const withoutScope = new Map<Scope, string>();
  /** A key that holds every scope but this one, and the one that holds all. */
  const newScopesKey = async (scope: Scope): Promise<string> => {
    const known = withoutScope.get(scope);
    if (known !== undefined) return known;
    const { token } = await newApiKey({ scopes: SCOPES.filter((each) => each !== scope && each !== 'admin') });
    withoutScope.set(scope, token);
    return token;
  };

  it('has no route on which what is foreign is told from what is not there, in words or by the work that is done', async () => {
    const token = await person('stranger');
    const key = (await newApiKey({ scopes: ['admin'], ownerId: 'ada' })).token;
    const about = [...stated.keys()].filter((route) => /^\w+ \/v1\/(projects|operations)\/\{id\}/.test(route));
    expect(about.length).toBeGreaterThan(20);
    for (const route of about) {
      for (const asker of [token, key]) {
        const answers = [];
        for (const id of ['foreign', 'nothing']) {
          const queries: string[] = [];
          const done = watchQueries((query) => queries.push(query));
          const { status, headers, body } = await ask(route, id, asker);
          done();
          const named = JSON.stringify([
            status,
            [...headers].filter(([name]) => name !== 'date' && name !== 'etag'),
            body,
          ]);
          answers.push({ said: named.replaceAll(id, '<id>').replace(/"\d+"/, '"<length>"'), queries });
        }
        const [foreign, nothing] = answers;
        expect([route, foreign!.said]).toEqual([route, expect.stringContaining('[404,')]);
        expect([route, foreign]).toEqual([route, nothing]);
        // Who asks, and the one look among their roles.
        expect(foreign!.queries.filter((query) => query.includes('api.member'))).toHaveLength(1);
        expect(foreign!.queries.length).toBeLessThanOrEqual(2);
      }
    }
  });
});

describe('lists show', () => {
  const listed = async (path: string, token: string) => {
    const { status, body } = await call('GET', path, { token });
    expect(status).toBe(200);
    return (body['items'] as { id: string }[]).map(({ id }) => id);
  };

  it('what is their caller’s, whatever is asked for', async () => {
    const owner = await person('owner');
    for (const token of [
      owner,
      await person('viewer'),
      (await newApiKey({ scopes: ['admin'], ownerId: ids.owner })).token,
    ]) {
      expect(await listed('/v1/projects', token)).toEqual(['own']);
      expect(await listed('/v1/operations', token)).toEqual(['op-own']);
      expect(await listed('/v1/operations?projectId=foreign', token)).toEqual([]);
      expect(await listed('/v1/projects?ownerId=someone', token)).toEqual([]);
    }
    expect(await listed('/v1/projects', await person('stranger'))).toEqual([]);
    expect(await listed('/v1/projects', await person('stranger', { roles: ['operator'] }))).toEqual(['own', 'foreign']);
    // A key of an owner is for what is the owner's, not for all that the owner may see.
    const ofViewer = await newApiKey({ scopes: ['projects:read'], ownerId: ids.viewer });
    expect(await listed('/v1/projects', ofViewer.token)).toEqual([]);
    expect(await call('GET', '/v1/projects/own', { token: ofViewer.token })).toMatchObject(
      refused(404, 'project-not-found'),
    );
  });

  it('the keys of their own owner', async () => {
    const { id, token } = await newApiKey({ scopes: ['api-keys:write'], ownerId: 'carl' });
    const other = await newApiKey({ scopes: ['api-keys:write'], ownerId: 'dora' });
    expect(await listed('/v1/api-keys', token)).toEqual([id]);
    expect(await call('DELETE', `/v1/api-keys/${other.id}`, { token })).toMatchObject(
      refused(404, 'api-key-not-found'),
    );
    expect(await call('DELETE', `/v1/api-keys/${id}`, { token })).toMatchObject({ status: 204 });
    expect(await call('GET', '/v1/api-keys', { token })).toMatchObject(refused(401, 'wrong-token'));
    expect(await call('GET', '/v1/api-keys', { token: other.token })).toMatchObject({ status: 200 });
  });
});

describe('members', () => {
  const members = async (project: string) =>
    ((await call('GET', `/v1/projects/${project}/members`)).body['items'] as { userId: string; role: string }[]).map(
      ({ userId, role }) => [userId, role],
    );

  it('come, change, and go', async () => {
    await newProject('shared', ids.owner);
    const owner = await person('owner');
    const stranger = await person('stranger');
    expect(await call('GET', '/v1/projects/shared', { token: stranger })).toMatchObject({ status: 404 });
    expect(await put(`/v1/projects/shared/members/${ids.stranger}`, { role: 'viewer' }, owner)).toMatchObject({
      status: 200,
      body: { userId: ids.stranger, role: 'viewer' },
    });
    expect(await call('GET', '/v1/projects/shared', { token: stranger })).toMatchObject({ status: 200 });
    expect(await post('/v1/projects/shared/stop', {}, stranger)).toMatchObject(refused(403, 'forbidden'));
    await put(`/v1/projects/shared/members/${ids.stranger}`, { role: 'collaborator' }, owner);
    expect(await post('/v1/projects/shared/stop', {}, stranger)).toMatchObject({ status: 202 });
    expect(await call('GET', '/v1/operations/op-shared', { token: stranger })).toMatchObject({ status: 200 });
    await put(`/v1/projects/shared/members/${ids.stranger}`, { role: 'owner' }, owner);
    expect(await members('shared')).toEqual([
      [ids.owner, 'owner'],
      [ids.stranger, 'owner'],
    ]);
    expect(await call('DELETE', `/v1/projects/shared/members/${ids.owner}`, { token: owner })).toMatchObject({
      status: 204,
    });
    expect(await call('GET', '/v1/projects/shared', { token: owner })).toMatchObject({ status: 404 });
    expect((await call('GET', '/v1/projects/shared', { token: stranger })).body).toMatchObject({
      ownerId: ids.stranger,
    });
    expect(await members('shared')).toEqual([[ids.stranger, 'owner']]);
  });

  it('are people that there are, and the platform’s own owners where it names them itself', async () => {
    const owner = await person('owner');
    const unknown = refused(404, 'user-not-found');
    const madeUp = `u-${'0'.repeat(40)}`;
    const before = await position();
    for (const [userId, token] of [
      [madeUp, owner],
      [madeUp, undefined],
      ['ada', owner],
    ] as const) {
      expect(await put(`/v1/projects/own/members/${userId}`, { role: 'viewer' }, token)).toMatchObject(unknown);
    }
    expect(await call('PATCH', '/v1/projects/own', { body: { ownerId: madeUp } })).toMatchObject(unknown);
    expect(await call('PATCH', '/v1/projects/own', { body: { ownerId: 'ada' }, token: owner })).toMatchObject(unknown);
    expect(await post('/v1/api-keys', { name: 'k', scopes: ['admin'], ownerId: madeUp })).toMatchObject(unknown);
    for (const name of ['ada@example.org', 'Ada Lovelace', ' ', 'a'.repeat(129), '-x', 'ü']) {
      const path = `/v1/projects/own/members/${encodeURIComponent(name)}`;
      expect(await put(path, { role: 'viewer' })).toMatchObject(refused(400, 'invalid-id'));
      expect(await call('PATCH', '/v1/projects/own', { body: { ownerId: name } })).toMatchObject(
        refused(400, 'invalid-request'),
      );
    }
    for (const role of ['root', null, 'admin', ['owner']]) {
      expect(await put(`/v1/projects/own/members/${ids.viewer}`, { role })).toMatchObject(
        refused(400, 'invalid-request'),
      );
    }
    expect(await position()).toBe(before);
    expect(await put('/v1/projects/own/members/key/1', { role: 'owner' })).toMatchObject({ status: 404 });
    expect(await put(`/v1/projects/own/members/${encodeURIComponent('key/1')}`, { role: 'owner' })).toMatchObject({
      status: 200,
    });
    expect(await call('DELETE', `/v1/projects/own/members/${encodeURIComponent('key/1')}`)).toMatchObject({
      status: 204,
    });
  });

  it('may go by themselves, whatever their role, and send nobody else away', async () => {
    await newProject('left', ids.owner);
    const leave = async (userId: string, token: string) =>
      call('DELETE', `/v1/projects/left/members/${userId}`, { token });
    for (const role of ['viewer', 'collaborator'] as const) {
      await put(`/v1/projects/left/members/${ids[role]}`, { role });
      const token = await person(role);
      expect(await leave(ids.owner, token)).toMatchObject(refused(403, 'forbidden'));
      expect(await leave('nobody', token)).toMatchObject(refused(403, 'forbidden'));
      expect(await put(`/v1/projects/left/members/${ids[role]}`, { role: 'owner' }, token)).toMatchObject({
        status: 403,
      });
      expect(await leave(ids[role], token)).toMatchObject({ status: 204 });
      expect(await call('GET', '/v1/projects/left', { token })).toMatchObject({ status: 404 });
      expect(await leave(ids[role], token)).toMatchObject(refused(404, 'project-not-found'));
    }
    expect(await leave(ids.owner, await person('owner'))).toMatchObject(refused(409, 'last-owner'));
  });

  it('by a name of the platform’s own are owners, whose keys come in, or nothing', async () => {
    await newProject('joint', ids.owner);
    const { token } = await newApiKey({ scopes: ['projects:read'], ownerId: 'o-2000' });
    const before = await position();
    for (const role of ['viewer', 'collaborator']) {
      const answer = await put('/v1/projects/joint/members/o-2000', { role });
      expect(answer).toMatchObject(refused(409, 'role-without-effect'));
      expect(answer.body['detail']).toMatch(/u-.*POST \/v1\/user-ids/);
    }
    expect(await position()).toBe(before);
    expect(await call('GET', '/v1/projects/joint', { token })).toMatchObject({ status: 404 });
    expect(await put('/v1/projects/joint/members/o-2000', { role: 'owner' })).toMatchObject({ status: 200 });
    expect(await call('GET', '/v1/projects/joint', { token })).toMatchObject({ status: 200 });
  });

  it('that are not known are asked for as their caller can', async () => {
    const madeUp = `u-${'0'.repeat(40)}`;
    const said = async (userId: string, token?: string) =>
      String((await put(`/v1/projects/own/members/${userId}`, { role: 'viewer' }, token)).body['detail']);
    const owner = await person('owner');
    expect(await said(madeUp, owner)).toMatch(/GET \/v1\/me shows to them, asked with a JWT of their own\.$/);
    expect(await said(madeUp)).toMatch(/ or that POST \/v1\/user-ids tells\.$/);
    expect(await said('ada', owner)).toContain('only by those whose say reaches the fleet');
  });

  it('that are none cannot be removed, and the last owner cannot go', async () => {
    const owner = await person('owner');
    const before = await position();
    const remove = (userId: string) => call('DELETE', `/v1/projects/own/members/${userId}`, { token: owner });
    expect(await remove(ids.stranger)).toMatchObject(refused(404, 'member-not-found'));
    expect(await remove(ids.owner)).toMatchObject(refused(409, 'last-owner'));
    expect(await put(`/v1/projects/own/members/${ids.owner}`, { role: 'viewer' }, owner)).toMatchObject(
      refused(409, 'last-owner'),
    );
    expect(await position()).toBe(before);
  });
});

describe('why an operation waits', () => {
  it('is told in full to those who see hosts, and to others without what concerns the host', async () => {
    await newProject('waits', ids.owner);
    await api.given('waits', [requestedEvent('op-waiting', 'stop')], await positionOf('waits'));
    jest
      .spyOn(api.part(HostSigns), 'of')
      .mockResolvedValue({ seenAt: new Date(), clockSkewMs: 0, isSilent: false, dataRoot: 'in-use' });
    const why = async (path: string, token?: string) => {
      const { body } = await call('GET', path, token === undefined ? {} : { token });
      const shown = (body['items'] as Record<string, unknown>[] | undefined)?.[0] ?? body;
      return shown['waitsFor'];
    };
    const readers = await newApiKey({ scopes: ['operations:read'] });
    for (const path of ['/v1/operations/op-waiting', '/v1/operations?projectId=waits']) {
      expect(await why(path)).toContain('another worker');
      expect(await why(path, await person('stranger', { roles: ['operator'] }))).toContain('another worker');
      for (const token of [readers.token, await person('owner')]) {
        expect(await why(path, token)).toBe(
          'Its host does not begin with anything at the moment. Whoever runs it sees why.',
        );
      }
    }
    jest.restoreAllMocks();
  });
});

describe('whoever makes a project', () => {
  it('with a key of an owner makes that owner’s, and learns nothing of others', async () => {
    const { token } = await newApiKey({ scopes: ['projects:read', 'projects:write'], ownerId: 'ada' });
    const before = await position();
    const forbidden = refused(403, 'forbidden');
    for (const body of [
      ...[{ ownerId: 'bob' }, { id: 'own' }, { id: 'never' }, { adopt: true }],
      ...[{ bucketId: 'b1' }, { bucketId: 'never' }],
    ]) {
      expect(await post('/v1/projects', { hostId: 'h1', ...body }, token)).toMatchObject(forbidden);
    }
    expect(await post('/v1/projects', { hostId: 'nowhere', ownerId: 'ada' }, token)).toMatchObject(
      refused(404, 'host-not-found'),
    );
    expect(await post('/v1/projects', { hostId: 'h1' }, await person('owner'))).toMatchObject(forbidden);
    expect(await post('/v1/user-ids', { subject: ADDRESS }, token)).toMatchObject(forbidden);
    expect(await position()).toBe(before);
  });

  it('with a key of an owner is not told of a host that is of no use to it from one that is not there', async () => {
    await post('/v1/regions', { id: 'bare', name: 'R', latitude: 1, longitude: 2 });
    await post('/v1/hosts', { id: 'hx', name: 'h', regionId: 'bare' });
    expect(await post('/v1/projects', { hostId: 'hx' })).toMatchObject(refused(409, 'no-bucket-in-region'));
    const { token } = await newApiKey({ scopes: ['projects:write'], ownerId: 'ada' });
    const answers = [];
    for (const hostId of ['hx', 'hy']) {
      const queries: string[] = [];
      const done = watchQueries((query) => queries.push(query));
      const { status, body } = await post('/v1/projects', { hostId }, token);
      done();
      answers.push({ status, body: JSON.stringify(body).replaceAll(hostId, '<id>'), queries });
    }
    expect(answers[0]).toMatchObject({ status: 404, body: expect.stringContaining('host-not-found') });
    expect(answers[0]).toEqual(answers[1]);
  });
});

describe('an API key', () => {
  const scopes = ['api-keys:write', 'projects:read'];
  const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
  const later = new Date(Date.now() + 7_200_000).toISOString();

  it('does not outrank its maker', async () => {
    const before = await newApiKey({ scopes });
    const bound = await newApiKey({ scopes, ownerId: 'ada' });
    const at = await position();
    expect(await post('/v1/api-keys', { name: 'k', scopes: ['admin'] }, before.token)).toMatchObject(
      refused(403, 'forbidden'),
    );
    expect(await post('/v1/api-keys', { name: 'k', scopes: ['projects:write'] }, bound.token)).toMatchObject({
      status: 403,
    });
    expect(await post('/v1/api-keys', { name: 'k', scopes, ownerId: 'bob' }, bound.token)).toMatchObject({
      status: 403,
    });
    expect(await position()).toBe(at);
    expect((await post('/v1/api-keys', { name: 'k', scopes }, bound.token)).body).toMatchObject({ ownerId: 'ada' });
    expect((await post('/v1/api-keys', { name: 'k', scopes, ownerId: 'ada' }, bound.token)).body).toMatchObject({
      ownerId: 'ada',
    });
  });

  it('does not outlive its maker: neither its time, nor its end', async () => {
    const maker = await newApiKey({ scopes, expiresAt: inAnHour });
    const at = await position();
    for (const more of [{}, { expiresAt: later }]) {
      expect(await post('/v1/api-keys', { name: 'k', scopes, ...more }, maker.token)).toMatchObject(
        refused(403, 'outlives-maker'),
      );
    }
    expect(await position()).toBe(at);
    const made = await newApiKey({ scopes, expiresAt: inAnHour }, maker.token);
    const grandchild = await newApiKey({ scopes, expiresAt: inAnHour }, made.token);
    expect(await call('GET', '/v1/projects', { token: grandchild.token })).toMatchObject({ status: 200 });
    await call('DELETE', `/v1/api-keys/${maker.id}`);
    for (const { token } of [maker, made, grandchild]) {
      expect(await call('GET', '/v1/projects', { token })).toMatchObject(refused(401, 'wrong-token'));
    }
  });

  it('lets nobody in once it or its maker was revoked anywhere, however far behind the tables are', async () => {
    const maker = await newApiKey({ scopes });
    const [one, made] = [await newApiKey({ scopes }), await newApiKey({ scopes }, maker.token)];
    const other = await newApiKey({ scopes });
    const held = api.data.createQueryRunner();
    await held.startTransaction();
    try {
      await held.query('SELECT FROM api.projection_position FOR UPDATE');
      for (const { id } of [one, maker]) {
        const expected = (await api.jsm.streams.getMessage('BUCKETS', {
          last_by_subj: `buckets.event.api-key.${id}.>`,
        }))!;
        const revoked = { thing: 'api-key', type: 'revoked', data: { requestedBy: 'admin' } } as const;
        await api.log.append({ thing: 'api-key', id, expected: expected.seq, events: [revoked] });
      }
      for (const { token } of [one, maker, made]) {
        expect(await call('GET', '/v1/projects', { token })).toMatchObject(refused(401, 'wrong-token'));
      }
      expect(await call('GET', '/v1/projects', { token: other.token })).toMatchObject({ status: 200 });
    } finally {
      await held.rollbackTransaction();
      await held.release();
    }
  });

  it('is listed with who made it, and once it is refused with since when and why', async () => {
    const ends = async () => {
      const { body } = await call('GET', '/v1/api-keys?limit=500');
      const items = body['items'] as { id: string; madeBy: string; endedAt?: string; endedBecause?: string }[];
      return new Map(items.map(({ id, madeBy, endedAt, endedBecause }) => [id, [madeBy, endedBecause, endedAt]]));
    };
    const maker = await newApiKey({ scopes });
    const made = await newApiKey({ scopes }, maker.token);
    const grandchild = await newApiKey({ scopes, ownerId: 'ada' }, made.token);
    const before = await ends();
    expect([maker, made, grandchild].map(({ id }) => before.get(id))).toEqual([
      ['admin', undefined, undefined],
      [`key/${maker.id}`, undefined, undefined],
      [`key/${made.id}`, undefined, undefined],
    ]);
    await call('DELETE', `/v1/api-keys/${maker.id}`);
    const after = await ends();
    const at = after.get(maker.id)![2];
    expect([maker, made, grandchild].map(({ id }) => after.get(id))).toEqual([
      ['admin', 'revoked', expect.any(String)],
      [`key/${maker.id}`, 'maker-revoked', at],
      [`key/${made.id}`, 'maker-revoked', at],
    ]);
    const past = {
      name: 'k',
      scopes: ['admin' as const],
      expiresAt: '2020-01-01T00:00:00.000Z',
      requestedBy: 'user/u-1',
    };
    await api.given('of-2019', [
      { thing: 'api-key', type: 'created', data: { ...past, tokenHash: tokenHash('bkt_2019') } },
    ]);
    expect((await ends()).get('of-2019')).toEqual(['user/u-1', 'expired', past.expiresAt]);
    await call('DELETE', `/v1/api-keys/${grandchild.id}`);
    expect((await ends()).get(grandchild.id)).toEqual([`key/${made.id}`, 'maker-revoked', at]);
  });

  it('of a person ends with the person’s token', async () => {
    const chief = await person('stranger', { roles: ['chief'] });
    expect(await post('/v1/api-keys', { name: 'k', scopes }, chief)).toMatchObject(refused(403, 'outlives-maker'));
    const soon = new Date(Date.now() + 60_000).toISOString();
    expect(await post('/v1/api-keys', { name: 'k', scopes, expiresAt: soon }, chief)).toMatchObject({ status: 201 });
  });

  it('is made by a key that was made by a key a few times only', async () => {
    let token = api.adminToken;
    for (let n = 0; n < 9; n++) ({ token } = await newApiKey({ scopes }, token));
    expect(await post('/v1/api-keys', { name: 'k', scopes }, token)).toMatchObject(refused(409, 'too-many-makers'));
  });
});

describe('a person', () => {
  it('is shown who they are', async () => {
    expect((await call('GET', '/v1/me', { token: await person('owner') })).body).toMatchObject({
      ...{ kind: 'user', id: ids.owner, ownerId: ids.owner, expiresAt: expect.any(String) },
    });
    expect((await call('GET', '/v1/me')).body).toEqual({ kind: 'admin', id: 'admin', scopes: ['admin'] });
  });

  it('never stands in the log by name or address', async () => {
    await put(
      `/v1/projects/own/members/${ids.viewer}`,
      { role: 'viewer' },
      await person('owner', { name: 'Ada', email: ADDRESS }),
    );
    await post('/v1/projects/own/changes', { source: 'x' }, await person('owner', { name: 'Ada', email: ADDRESS }));
    const [{ told, named }] = await api.data.query<[{ told: number; named: number }]>(
      `SELECT count(*) FILTER (WHERE position($1::bytea IN bytes) > 0)::int AS told,
              count(*) FILTER (WHERE position('ovelace'::bytea IN bytes) > 0)::int AS named FROM api.journal`,
      [Buffer.from(`user/${ids.owner}`)],
    );
    expect({ told: told > 0, named }).toEqual({ told: true, named: 0 });
  });
});

describe('what is refused', () => {
  const counted = async (metric: string, label: string): Promise<number> => {
    const text = await (await fetch(`${api.url}/metrics`)).text();
    const line = text.split('\n').find((each) => each.startsWith(`${metric}{`) && each.includes(`"${label}"`));
    return Number(line?.split(' ').at(-1) ?? 0);
  };

  it('is counted, with its reason, and changes nothing', async () => {
    const owner = await person('owner');
    const hour = 3_600;
    const now = Math.floor(Date.now() / 1000);
    const revoked = await newApiKey({ scopes: ['admin'] });
    await call('DELETE', `/v1/api-keys/${revoked.id}`);
    const ended = { id: 'ended', token: 'bkt_ended' };
    const past = { name: 'k', scopes: ['admin' as const], expiresAt: '2020-01-01T00:00:00.000Z', requestedBy: 'admin' };
    await api.given(ended.id, [
      { thing: 'api-key', type: 'created', data: { ...past, tokenHash: tokenHash(ended.token) } },
    ]);
    const [, body] = owner.split('.');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    const bad: [string, string][] = [
      ['expired', ended.token],
      ['revoked', revoked.token],
      ['unknown', 'bkt_madeup'],
      ['expired', await person('owner', { iat: now - 2 * hour, exp: now - hour })],
      ['not-yet', await person('owner', { iat: now + hour, exp: now + 2 * hour })],
      ['issuer', await person('owner', { iss: 'https://id.example' })],
      ['audience', await person('owner', { aud: 'another' })],
      ['algorithm', `${none}.${body}.`],
      ['signature', await issuer.token(ADDRESS, {}, await newKey('first'))],
      ['malformed', 'a.b.c'],
    ];
    const before = await position();
    for (const [reason, token] of bad) {
      const count = await counted('buckets_tokens_refused_total', reason);
      const answer = await post('/v1/projects/own/stop', {}, token);
      expect([reason, answer.status, codeOf(answer)]).toEqual([reason, 401, 'wrong-token']);
      expect([reason, await counted('buckets_tokens_refused_total', reason)]).toEqual([reason, count + 1]);
    }
    for (const [code, method, path, sent] of [
      ['last-owner', 'DELETE', `/v1/projects/own/members/${ids.owner}`, { token: owner }],
      ['member-not-found', 'DELETE', `/v1/projects/own/members/${ids.stranger}`, { token: owner }],
      ['user-not-found', 'PUT', '/v1/projects/own/members/bob', { token: owner, body: { role: 'viewer' } }],
      ['project-not-found', 'GET', '/v1/projects/foreign', { token: owner }],
      ['forbidden', 'GET', '/v1/hosts', { token: owner }],
    ] as const) {
      const count = await counted('buckets_http_refused_total', code);
      expect(codeOf(await call(method, path, sent))).toBe(code);
      expect([code, await counted('buckets_http_refused_total', code)]).toEqual([code, count + 1]);
    }
    expect(await position()).toBe(before);
  });
});

it('the events of members are facts for others, too', async () => {
  await newProject('told', 'someone');
  await put('/v1/projects/told/members/ada', { role: 'owner' });
  const last = await api.jsm.streams.getMessage('BUCKETS', { last_by_subj: 'buckets.event.project.told.member-set' });
  expect(JSON.parse(Buffer.from(last!.data).toString())).toMatchObject({
    type: 'buckets.project.member-set.v1',
    data: event('member-set', { userId: 'ada', role: 'owner', requestedBy: 'admin' }).data,
  });
});
