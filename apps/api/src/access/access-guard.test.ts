import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Delete, Get, Module, Post } from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { until } from '@buckets/patience';
import { createLogger, serviceSettings, startService, type RunningService } from '@buckets/service';
import { readSettings, Secret } from '@buckets/settings';
import { Registry } from 'prom-client';
import type { DataSource } from 'typeorm';
import { BadToken, Issuer, type Person, type TokenFault } from '../oidc/issuer.js';
import { KeysUnreachable } from '../oidc/key-set.js';
import { AUDIENCE, IDS_KEY, newKey, TrialIssuer } from '../oidc/testing/trial-issuer.js';
import { AccessGuard } from './access-guard.js';
import { Needs, Open, OWN } from './access.js';
import { Admission } from './admission.js';
import { CurrentCaller, type Caller } from './caller.js';
import { LateBodies } from './late-bodies.js';
import { AdminToken, ApiKeys, IssuerTokens, Tokens } from './tokens.js';

const ADMIN = 'admin-token-admin-token';
const CONNECTIONS = 10;

@Controller('things')
class Things {
  @Get()
  @Needs('projects:read', OWN)
  list(@CurrentCaller() caller: Caller): Caller {
    return caller;
  }

  @Post()
  @Needs('projects:write')
  make(): string {
    return 'made';
  }

  @Delete()
  forgotten(): string {
    return 'nobody said who may do this';
  }

  held: PromiseWithResolvers<string>[] = [];

  @Get('slow')
  @Needs('projects:read', OWN)
  slow(): Promise<string> {
    const held = Promise.withResolvers<string>();
    this.held.push(held);
    return held.promise;
  }

  @Get('slow-and-open')
  @Open()
  slowAndOpen(): Promise<string> {
    return this.slow();
  }

  @Get('open')
  @Open()
  open(): string {
    return 'open';
  }
}

describe('a token', () => {
  let service: RunningService;
  let key: object | null;
  let person: (token: string) => Promise<Person>;
  let registry: Registry;
  let asked: string[];
  let now: number;
  /** Whether a body counts as late. */
  let isLate = false;

  beforeAll(async () => {
    const data = {
      query: (_: string, [hash]: [string]) => {
        asked.push(hash);
        return Promise.resolve(key !== null && hash === sha256('good') ? [key] : []);
      },
    } as unknown as DataSource;
    const revocations = {
      areInTables: () => Promise.resolve(true),
      has: () => Promise.reject(new Error('not asked')),
    };
    registry = new Registry();
    const kinds = [
      new AdminToken(new Secret(ADMIN)),
      new IssuerTokens({ person: (token) => person(token) }, { admin: 'chief', operator: undefined }),
      new ApiKeys(data, revocations, () => now),
    ];
    const tokens = new Tokens(kinds, registry);
    const guard = new AccessGuard(tokens, new Admission(data));
    const lateBodies = new LateBodies(
      { callerOf: (header) => tokens.callerOf(isLate ? header : `Bearer ${ADMIN}`) },
      0,
    );
    class Guarded {}
    const providers = [
      { provide: APP_GUARD, useValue: guard },
      { provide: APP_INTERCEPTOR, useValue: lateBodies },
    ];
    Module({ controllers: [Things], providers })(Guarded);
    const settings = readSettings(serviceSettings, {});
    const log = createLogger('test', { level: 'fatal' });
    service = await startService({ module: Guarded, settings, log, bounds: { connections: CONNECTIONS } });
  });
  afterAll(async () => {
    await service.stop();
  });
  beforeEach(() => {
    key = {
      id: 'k1',
      scopes: ['projects:read'],
      expires_at: null,
      revoked_at: null,
      owner_id: null,
      maker_revoked: false,
    };
    registry.resetMetrics();
    asked = [];
    now = Date.parse('2031-01-01T00:00:00Z');
  });

  const refusals = async () => {
    const { values } = await registry.getSingleMetric('buckets_tokens_refused_total')!.get();
    const counted = values.filter(({ value }) => value > 0);
    return Object.fromEntries(counted.map(({ labels, value }) => [String(labels['reason']), value]));
  };
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  async function call(
    method: string,
    authorization?: string,
    path = '',
  ): Promise<{ status: number; code?: string; body: object }> {
    const headers = authorization === undefined ? {} : { authorization };
    const response = await fetch(`${service.url}/things${path}`, { method, headers });
    const text = await response.text();
    const body = (text.startsWith('{') ? JSON.parse(text) : {}) as { code?: string };
    return { status: response.status, ...(body.code === undefined ? {} : { code: body.code }), body };
  }

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Basic Z29vZA==',
    'good',
    'Bearer good one',
    `Bearer ${'x'.repeat(9000)}`,
  ])('has to be sent: %s', async (authorization) => {
    expect(await call('GET', authorization)).toMatchObject({ status: 401, code: 'no-token' });
    expect(asked).toEqual([]);
  });

  it('has to be known, and is looked for by its hash only', async () => {
    expect(await call('GET', 'Bearer bad')).toMatchObject({ status: 401, code: 'wrong-token' });
    expect(asked).toEqual([sha256('bad')]);
  });

  it('is no good when it was revoked, or once it has expired', async () => {
    key = { ...key, revoked_at: '2030-01-01T00:00:00Z' };
    expect(await call('GET', 'Bearer good')).toMatchObject({ status: 401, code: 'wrong-token' });
    key = { ...key, revoked_at: null, maker_revoked: true };
    expect(await call('GET', 'Bearer good')).toMatchObject({ status: 401, code: 'wrong-token' });
    key = { ...key, maker_revoked: false, expires_at: '2031-01-01T00:00:00.001Z' };
    expect(await call('GET', 'Bearer good')).toMatchObject({ status: 200 });
    now += 1;
    expect(await call('GET', 'Bearer good')).toMatchObject({ status: 401, code: 'wrong-token' });
    expect(await refusals()).toEqual({ revoked: 1, 'maker-revoked': 1, expired: 1 });
  });

  it('of an owner reaches what is the owner’s', async () => {
    key = { ...key, owner_id: 'ada' };
    expect(await call('GET', 'Bearer good')).toMatchObject({
      status: 200,
      body: { kind: 'service', id: 'k1', name: 'key/k1', reach: { userId: 'ada', roles: ['owner'] } },
    });
  });

  const JWT = 'Bearer eyJh.eyJp.c2ln';

  it('of the issuer is that of a person, with what their roles allow', async () => {
    person = () => Promise.resolve({ id: 'u-1', roles: ['guest'], expiresAt: 5 });
    expect(await call('GET', JWT)).toMatchObject({
      status: 200,
      body: { kind: 'user', id: 'u-1', name: 'user/u-1', reach: { userId: 'u-1' }, expiresAt: 5 },
    });
    person = () => Promise.resolve({ id: 'u-1', roles: ['guest', 'chief'], expiresAt: 5 });
    expect(await call('GET', JWT)).toMatchObject({
      status: 200,
      body: { kind: 'user', scopes: ['admin'], reach: 'fleet' },
    });
    // A role that is not set up is nobody's, not even one of no name.
    person = () => Promise.resolve({ id: 'u-1', roles: ['undefined', ''], expiresAt: 5 });
    expect(await call('GET', JWT)).toMatchObject({ body: { reach: { userId: 'u-1' } } });
    expect(asked).toEqual([]);
  });

  it('of the issuer that is no good is refused in the words of any other, and counted by its fault', async () => {
    const faults: TokenFault[] = ['expired', 'not-yet', 'algorithm', 'signature', 'unknown-key', 'issuer', 'audience'];
    const unknown = (await call('GET', 'Bearer bad')).body;
    for (const fault of faults) {
      person = () => Promise.reject(new BadToken(fault));
      expect(await call('GET', JWT)).toMatchObject({ status: 401, body: unknown });
    }
    expect(await refusals()).toEqual({ unknown: 1, ...Object.fromEntries(faults.map((fault) => [fault, 1])) });
  });

  it('of the issuer gets nobody in while the keys cannot be fetched', async () => {
    person = () => Promise.reject(new KeysUnreachable());
    expect(await call('GET', JWT)).toMatchObject({ status: 503, code: 'issuer-unreachable' });
    expect(await refusals()).toEqual({ 'keys-unreachable': 1 });
    person = () => Promise.reject(new Error('something else'));
    expect(await call('GET', JWT)).toMatchObject({ status: 500 });
  });

  it('of the issuer goes on while the keys are away that it is signed with, and no other one comes in', async () => {
    const trial = await TrialIssuer.start();
    try {
      const settings = {
        ...{ issuer: trial.url, audience: AUDIENCE, keysUrl: trial.keysUrl, idsKey: IDS_KEY },
        ...{ algorithms: ['ES256'], userClaim: 'sub', rolesClaim: 'roles', maxAgeMs: 86_400_000 },
      };
      let clock = 0;
      const issuer = new Issuer(settings, { warn: () => undefined }, () => clock);
      person = (token) => issuer.person(token);
      const known = `Bearer ${await trial.token('ada')}`;
      const unknown = `Bearer ${await trial.token('ada', {}, await newKey('unknown'))}`;
      expect(await call('GET', known)).toMatchObject({ status: 200 });
      trial.trouble = 'fails';
      clock += 600_000;
      expect(await call('GET', known)).toMatchObject({ status: 200 });
      expect(await call('GET', unknown)).toMatchObject({ status: 503, code: 'issuer-unreachable' });
      trial.trouble = 'none';
      clock += 600_000;
      expect(await call('GET', unknown)).toMatchObject({ status: 401, code: 'wrong-token' });
    } finally {
      await trial.stop();
    }
  });

  it('lets its bearer do what its scopes say, and nothing else', async () => {
    const allowed = await call('GET', 'bearer good');
    expect(allowed).toMatchObject({ status: 200, body: { name: 'key/k1', scopes: ['projects:read'] } });
    expect(await call('POST', 'Bearer good')).toMatchObject({ status: 403, code: 'forbidden' });
    key = { ...key, scopes: ['admin'] };
    expect(await call('POST', 'Bearer good')).toMatchObject({ status: 201 });
  });

  it('of the administrator may do everything that somebody may', async () => {
    expect(await call('GET', `Bearer ${ADMIN}`)).toMatchObject({
      status: 200,
      body: { name: 'admin', scopes: ['admin'] },
    });
    expect(asked).toEqual([]);
    expect(await call('GET', `Bearer ${ADMIN}x`)).toMatchObject({ status: 401 });
  });

  it('opens no route of which nobody said who may take it', async () => {
    for (const token of ['good', ADMIN]) {
      key = { ...key, scopes: ['admin'] };
      expect(await call('DELETE', `Bearer ${token}`)).toMatchObject({ status: 403, code: 'forbidden' });
    }
    expect(await call('DELETE')).toMatchObject({ status: 401 });
  });

  it('is looked at before anything of a body is read, and once more when that has come in slowly', async () => {
    key = { ...key, scopes: ['admin'] };
    isLate = true;
    const sockets: Socket[] = [];
    const begin = (...headers: string[]) => {
      const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
      sockets.push(socket);
      const length = ['content-type: application/json', 'content-length: 2'];
      socket.write(['POST /things HTTP/1.1', 'host: here', ...length, ...headers, '', ''].join('\r\n'));
      return { socket, answer: once(socket, 'data').then(([data]) => String(data)) };
    };
    try {
      expect(await begin().answer).toMatch(/^HTTP\/1\.1 401 /);
      const twice = begin(`authorization: Bearer ${ADMIN}`, 'authorization: Bearer good');
      expect(await twice.answer).toMatch(/^HTTP\/1\.1 401 [^]*\nWWW-Authenticate: Bearer\r/);
      const late = begin('authorization: Bearer good');
      await until(() => asked.length > 0, { what: 'it is let in' });
      key = { ...key, revoked_at: '2030-01-01T00:00:00Z' };
      late.socket.write('{}');
      expect(await late.answer).toMatch(/^HTTP\/1\.1 401 /);
      expect(await refusals()).toEqual({ 'no-token': 2, revoked: 1 });
    } finally {
      isLate = false;
      for (const socket of sockets) socket.destroy();
    }
  });

  it('keeps its request’s connection, whoever else comes; without one it makes room', async () => {
    const { held } = service.app.get(Things);
    const slow = call('GET', 'Bearer good', '/slow');
    await until(() => held.length === 1, { what: 'it is let in' });
    const open = call('GET', undefined, '/slow-and-open').catch(() => 'cut');
    await until(() => held.length === 2, { what: 'the other one, too' });
    const sockets = [];
    try {
      for (let n = 0; n < 2 * CONNECTIONS; n++) {
        const socket = connect(Number(new URL(service.url).port), '127.0.0.1').on('error', () => undefined);
        sockets.push(socket.resume());
        await once(socket, 'connect');
      }
      expect(await open).toBe('cut');
      held[0]!.resolve('done');
      expect(await slow).toMatchObject({ status: 200 });
      expect(await call('POST', `Bearer ${ADMIN}`)).toMatchObject({ status: 201 });
    } finally {
      for (const socket of sockets) socket.destroy();
      for (const each of held) each.resolve('over');
    }
  });

  it('is not needed where it was said so', async () => {
    expect((await call('GET', undefined, '/open')).status).toBe(200);
    const live = await fetch(`${service.url}/health/live`);
    expect(live.status).toBe(200);
  });
});
