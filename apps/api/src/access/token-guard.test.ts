import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Delete, Get, Module, Post } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { createLogger, serviceSettings, startService, type RunningService } from '@buckets/service';
import { readSettings, Secret } from '@buckets/settings';
import type { DataSource } from 'typeorm';
import type { ApiKeyRow } from '../tables/entities.js';
import { CurrentCaller, Needs, Open, type Caller } from './caller.js';
import { TokenGuard } from './token-guard.js';

const ADMIN = 'admin-token-admin-token';

@Controller('things')
class Things {
  @Get()
  @Needs('projects:read')
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

  @Get('open')
  @Open()
  open(): string {
    return 'open';
  }
}

describe('a token', () => {
  let service: RunningService;
  let key: Partial<ApiKeyRow> | null;
  let asked: object[];
  let now: number;

  beforeAll(async () => {
    const data = {
      getRepository: () => ({
        findOneBy: ({ token_hash }: { token_hash: string }) => {
          asked.push({ token_hash });
          return Promise.resolve(key !== null && token_hash === sha256('good') ? key : null);
        },
      }),
    } as unknown as DataSource;
    const guard = new TokenGuard(new Secret(ADMIN), data, () => now);
    class Guarded {}
    Module({ controllers: [Things], providers: [{ provide: APP_GUARD, useValue: guard }] })(Guarded);
    const settings = readSettings(serviceSettings, {});
    service = await startService({ module: Guarded, settings, log: createLogger('test', { level: 'fatal' }) });
  });
  afterAll(async () => {
    await service.stop();
  });
  beforeEach(() => {
    key = { id: 'k1', scopes: ['projects:read'], expires_at: null, revoked_at: null };
    asked = [];
    now = Date.parse('2031-01-01T00:00:00Z');
  });

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
    `Bearer ${'x'.repeat(5000)}`,
  ])('has to be sent: %s', async (authorization) => {
    expect(await call('GET', authorization)).toMatchObject({ status: 401, code: 'no-token' });
    expect(asked).toEqual([]);
  });

  it('has to be known, and is looked for by its hash only', async () => {
    expect(await call('GET', 'Bearer bad')).toMatchObject({ status: 401, code: 'wrong-token' });
    expect(asked).toEqual([{ token_hash: sha256('bad') }]);
  });

  it('is no good when it was revoked, or once it has expired', async () => {
    key = { ...key, revoked_at: '2030-01-01T00:00:00Z' };
    expect(await call('GET', 'Bearer good')).toMatchObject({ status: 401, code: 'wrong-token' });
    key = { ...key, revoked_at: null, expires_at: '2031-01-01T00:00:00.001Z' };
    expect(await call('GET', 'Bearer good')).toMatchObject({ status: 200 });
    now += 1;
    expect(await call('GET', 'Bearer good')).toMatchObject({ status: 401, code: 'wrong-token' });
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

  it('is not needed where it was said so', async () => {
    expect((await call('GET', undefined, '/open')).status).toBe(200);
    const live = await fetch(`${service.url}/health/live`);
    expect(live.status).toBe(200);
  });
});
