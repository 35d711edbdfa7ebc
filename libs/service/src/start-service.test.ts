import { Body, Controller, Get, Inject, Module, Post, Put, Query, Req, Sse } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, IsString, Matches, Max, ValidateNested } from 'class-validator';
import type { Request } from 'express';
import { once } from 'node:events';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { until } from '@buckets/patience';
import { Counter, Registry } from 'prom-client';
import { NEVER, Subject, takeUntil } from 'rxjs';
import type { Observable } from 'rxjs';
import {
  createLogger,
  DependencyUnavailable,
  HealthChecks,
  LOGGER,
  mountOpenApi,
  Problem,
  startService,
  Stopping,
} from './index.js';
import type { Logger, RunningService } from './index.js';

class Place {
  @IsString()
  @Matches(/^\//, { message: 'path must begin with a slash' })
  path!: string;
}

class Order {
  @ApiProperty()
  @IsString()
  name!: string;

  @IsOptional()
  @IsInt()
  count?: number;

  @IsOptional()
  @ValidateNested({ each: true })
  @Type(() => Place)
  places?: Place[];
}

class Page {
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Max(100)
  limit?: number;
}

class OutOfOrder extends Error {}

@Controller('things')
class ThingsController {
  readonly slow = new Subject<string>();
  asked = 0;

  constructor(
    @Inject(LOGGER) private readonly log: Logger,
    private readonly stopping: Stopping,
    checks: HealthChecks,
    registry: Registry,
  ) {
    checks.register({ name: 'oracle', check: () => Promise.reject(new Error('The oracle sleeps')) });
    new Counter({ name: 'things_total', help: 'Things', registers: [registry] }).inc(3);
  }

  @Post()
  create(@Body() order: Order): Order {
    return order;
  }

  @Get()
  list(@Query() page: Page): Page {
    return page;
  }

  @Put('raw')
  async raw(@Req() request: Request): Promise<{ bytes: number }> {
    const chunks: unknown[] = await request.toArray();
    return { bytes: Buffer.concat(chunks as Buffer[]).length };
  }

  @Get('broken')
  broken(): never {
    this.log.info('About to fail');
    throw new Error('the password is hunter2');
  }

  @Get('missing')
  missing(): never {
    throw new Problem({ code: 'no-such-thing', status: 404, detail: 'There is no thing 7.', extra: { id: 7 } });
  }

  @Get('unreachable')
  unreachable(): never {
    throw new DependencyUnavailable('oracle');
  }

  @Get('of/:id')
  unreachableById(): never {
    throw new DependencyUnavailable('oracle');
  }

  @Get('translated')
  translated(): never {
    throw new OutOfOrder();
  }

  @Get('slow')
  async slowly(): Promise<string> {
    this.asked++;
    return await new Promise((resolve) => this.slow.subscribe(resolve));
  }

  @Sse('events')
  events(): Observable<never> {
    const stopped = new Subject<void>();
    this.stopping.signal.addEventListener('abort', () => stopped.next());
    return NEVER.pipe(takeUntil(stopped));
  }
}

@Module({ controllers: [ThingsController] })
class ThingsModule {}

const logLines: string[] = [];

async function start(): Promise<RunningService> {
  return await startService({
    module: ThingsModule,
    settings: { httpHost: '127.0.0.1', httpPort: 0, logLevel: 'debug', stopDeadlineMs: 1_000 },
    log: createLogger('test', { level: 'debug', destination: { write: (line) => void logLines.push(line) } }),
    bodies: { isRaw: ({ path }) => path === '/things/raw' },
    translate: (error) =>
      error instanceof OutOfOrder ? new Problem({ code: 'out-of-order', status: 409, detail: 'Later.' }) : undefined,
    prepare: (app) => mountOpenApi(app, { title: 'Things', version: '1', description: 'All about things' }),
  });
}

let service: RunningService;
beforeAll(async () => {
  service = await start();
});
afterAll(async () => {
  await service.stop();
});

const get = async (path: string, init?: RequestInit) => await fetch(service.url + path, init);
const post = async (body: string, type = 'application/json') =>
  await get('/things', { method: 'POST', body, headers: { 'content-type': type } });

async function problemOf(response: Response): Promise<Record<string, unknown>> {
  expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  const details = (await response.json()) as Record<string, unknown>;
  expect(details).toMatchObject({ status: response.status, type: `urn:buckets:problem:${String(details['code'])}` });
  return details;
}

describe('health and metrics', () => {
  it('tell that the process lives, whatever it depends on', async () => {
    const response = await get('/health/live');
    expect([response.status, await response.json()]).toEqual([200, { status: 'up' }]);
    expect(response.headers.get('x-powered-by')).toBeNull();
  });

  it('tell which dependency is down', async () => {
    const response = await get('/health/ready');
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({
      status: 'down',
      checks: { oracle: { status: 'down', reason: 'The oracle sleeps' } },
    });
  });

  it('count what the process and its modules do', async () => {
    const response = await get('/metrics');
    const text = await response.text();
    expect(response.headers.get('content-type')).toContain('text/plain');
    expect(text).toContain('things_total 3');
    expect(text).toContain('nodejs_eventloop_lag_seconds');
    expect(text).toContain('process_resident_memory_bytes');
  });
});

describe('a request that is not valid is answered with what is wrong with it', () => {
  it('takes a valid one as it is', async () => {
    expect(await (await post('{"name":"a","count":2,"places":[{"path":"/x"}]}')).json()).toEqual({
      name: 'a',
      count: 2,
      places: [{ path: '/x' }],
    });
  });

  it('fields missing, wrong, unknown or nested', async () => {
    const details = await problemOf(await post('{"count":"2","a/b":1,"places":[{"path":"x"}]}'));
    expect(details).toEqual({
      type: 'urn:buckets:problem:invalid-request',
      title: 'Invalid request',
      status: 400,
      code: 'invalid-request',
      detail: expect.stringContaining('(and 3 more).'),
      instance: '/things',
      errors: expect.arrayContaining([
        { pointer: '/name', in: 'body', detail: 'name is missing' },
        {
          pointer: '/count',
          in: 'body',
          detail: 'count must be a whole number, and is a text: write it without quotes',
        },
        { pointer: '/a~1b', in: 'body', detail: 'there is no field "a/b" here: remove it' },
        { pointer: '/places/0/path', in: 'body', detail: 'path must begin with a slash' },
      ]),
    });
  });

  it('a query', async () => {
    expect(await (await get('/things?limit=5')).json()).toEqual({ limit: 5 });
    const details = await problemOf(await get('/things?limit=500'));
    expect(details['errors']).toEqual([
      { pointer: '/limit', in: 'query', detail: 'limit must not be greater than 100' },
    ]);
    expect((await problemOf(await get('/things?limit=1&limit=2')))['code']).toBe('invalid-request');
  });

  it.each([
    ['no body', '', 400, 'invalid-request'],
    ['an array', '[]', 400, 'invalid-request'],
    ['half of JSON', '{"name":', 400, 'invalid-json'],
    ['a bare word of JSON', '"a"', 400, 'invalid-json'],
    ['null', 'null', 400, 'invalid-json'],
    ['invalid UTF-16', '{"name":"\\ud800","\\udc00":1}', 400, 'invalid-request'],
    ['the prototype', '{"name":"a","__proto__":{"count":1},"constructor":1}', 400, 'invalid-request'],
    ['what every object has', '{"name":"a","toString":1}', 400, 'invalid-request'],
    ['a nest of 500,000 arrays', '['.repeat(500_000) + ']'.repeat(500_000), 400, 'invalid-request'],
    ['deep objects in a known field', `{"name":${'{"a":'.repeat(1_000)}1${'}'.repeat(1_000)}}`, 400, 'invalid-request'],
    ['2 MiB', JSON.stringify({ name: 'a'.repeat(2 ** 21) }), 413, 'body-too-large'],
    [
      '50,000 unknown fields',
      JSON.stringify(Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [i, 1]))),
      400,
      'invalid-request',
    ],
  ])('a body of %s', async (_, body, status, code) => {
    const response = await post(body);
    expect(response.status).toBe(status);
    const details = await problemOf(response);
    expect(details['code']).toBe(code);
    expect(JSON.stringify(details).length).toBeLessThan(10_000);
  });

  it('a body of more values than anybody sends at once', async () => {
    const places = Array.from({ length: 20_001 }, () => ({}));
    expect((await problemOf(await post(JSON.stringify({ name: 'a', places }))))['detail']).toContain('20000 values');
  });

  it('a body of another type', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/octet-stream']) {
      const response = await post('name=a', type);
      expect([response.status, (await problemOf(response))['code']]).toEqual([415, 'unsupported-media-type']);
    }
    const zipped = await get('/things', {
      method: 'POST',
      body: gzipSync('{"name":"a"}'),
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    });
    expect([zipped.status, (await problemOf(zipped))['code']]).toEqual([415, 'unsupported-media-type']);
    const charset = await post('{}', 'application/json; charset=latin1');
    expect((await problemOf(charset))['code']).toBe('unsupported-media-type');
  });

  it('but a route that takes bytes takes any', async () => {
    const put = async (type: string) =>
      await (await get('/things/raw', { method: 'PUT', body: '{"a":', headers: { 'content-type': type } })).json();
    expect(await put('text/plain')).toEqual({ bytes: 5 });
    expect(await put('application/json')).toEqual({ bytes: 5 });
  });

  it('a query for what every object has', async () => {
    for (const name of ['constructor', '__proto__', 'hasOwnProperty', '%74oString']) {
      expect((await problemOf(await get(`/things?limit=1&${name}=1`)))['code']).toBe('invalid-request');
    }
  });

  it('an address that cannot be decoded, does not exist or takes another method', async () => {
    expect(await problemOf(await get('/nothing?token=hunter2'))).toMatchObject({
      status: 404,
      code: 'no-such-route',
      instance: '/nothing',
    });
    const wrongMethod = await get('/things', { method: 'DELETE' });
    expect(wrongMethod.headers.get('allow')).toBe('GET, POST');
    expect(await problemOf(wrongMethod)).toMatchObject({ status: 405, code: 'method-not-allowed' });
  });
});

describe('an error is answered', () => {
  it('as it is when it is a problem', async () => {
    expect(await problemOf(await get('/things/missing'))).toEqual({
      type: 'urn:buckets:problem:no-such-thing',
      title: 'No such thing',
      status: 404,
      code: 'no-such-thing',
      detail: 'There is no thing 7.',
      instance: '/things/missing',
      id: 7,
    });
  });

  it('as the problem that the service says it is', async () => {
    expect(await problemOf(await get('/things/translated'))).toMatchObject({ status: 409, code: 'out-of-order' });
  });

  it('with the dependency that is out of reach, and when to try again', async () => {
    const response = await get('/things/unreachable');
    expect(response.headers.get('retry-after')).toBe('5');
    expect(await problemOf(response)).toMatchObject({
      status: 503,
      code: 'dependency-unavailable',
      dependency: 'oracle',
    });
  });

  it('and tells in its log which route that was, with no word of the address', async () => {
    await get('/things/of/unreachable-7?token=hunter2');
    const line = logLines.findLast((logged) => logged.includes('Answered 503'))!;
    expect(JSON.parse(line)).toMatchObject({ method: 'GET', route: '/things/of/:id', code: 'dependency-unavailable' });
    expect(line).not.toMatch(/unreachable-7|hunter2/);
  });

  it('with nothing but an id when nobody foresaw it; the log has the rest', async () => {
    const details = await problemOf(await get('/things/broken'));
    expect(details).toMatchObject({ status: 500, code: 'internal-error', errorId: expect.any(String) });
    expect(JSON.stringify(details)).not.toContain('hunter2');
    const line = logLines.find((logged) => logged.includes(String(details['errorId'])));
    expect(line).toContain('the password is hunter2');
  });
});

describe('what is no whole request of HTTP is answered with a problem', () => {
  it.each([
    ['nonsense', 'Hello there\r\n\r\n', 400, 'bad-request'],
    ['headers of 20 KiB', `GET /things?q=${'x'.repeat(20_480)} HTTP/1.1\r\nHost: a\r\n\r\n`, 431, 'headers-too-large'],
  ])('%s', async (_, sent, status, code) => {
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
    socket.setEncoding('utf8').write(sent);
    let answer = '';
    for await (const text of socket) answer += text;
    const [head, body] = answer.split('\r\n\r\n') as [string, string];
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} [A-Z]`));
    expect(head).toContain('Content-Type: application/problem+json');
    expect(head).toContain(`Content-Length: ${Buffer.byteLength(body)}`);
    expect(JSON.parse(body)).toMatchObject({ status, code, type: `urn:buckets:problem:${code}` });
  });
});

describe('the documentation of the routes', () => {
  it('is made from the code', async () => {
    expect(await (await get('/openapi.json')).json()).toMatchObject({
      openapi: '3.1.0',
      info: { title: 'Things', version: '1', description: 'All about things' },
      paths: { '/things': { get: {}, post: {} } },
    });
  });

  it('comes with all of its page from this service', async () => {
    const page = await get('/docs');
    const html = await page.text();
    expect(html).toContain('<title>Things</title>');
    const assets = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => String(address));
    expect(assets.length).toBeGreaterThan(3);
    expect(assets.filter((address) => !address.startsWith('./docs/'))).toEqual([]);
    for (const asset of assets) {
      const response = await get(asset.slice(1));
      await response.arrayBuffer();
      expect([asset, response.status]).toEqual([asset, 200]);
    }
    expect(html.replaceAll('http://www.w3.org/', '')).not.toMatch(/https?:\/\//);
  });
});

describe('a stop', () => {
  it('lets what is under way end, ends event streams and takes nothing new', async () => {
    const stopping = await start();
    const things = stopping.app.get(ThingsController);
    const events = await fetch(`${stopping.url}/things/events`);
    const slow = fetch(`${stopping.url}/things/slow`);
    await until(() => things.asked === 1);

    const stopped = stopping.stop();
    things.slow.next('done');

    expect(await (await slow).text()).toBe('done');
    await expect(events.text()).resolves.toBe('\n');
    await expect(stopped).resolves.toBe(true);
    await expect(fetch(`${stopping.url}/health/live`)).rejects.toThrow('fetch failed');
  });

  it('cuts what does not end in time, and says so', async () => {
    const stopping = await start();
    const slow = fetch(`${stopping.url}/things/slow`);
    await until(() => stopping.app.get(ThingsController).asked === 1);

    const [stopped] = await Promise.all([stopping.stop(), expect(slow).rejects.toThrow('fetch failed')]);

    expect(stopped).toBe(false);
    expect(logLines.join()).toContain('Answering the requests under way took longer than');
  });

  it('is not kept up by connections that say nothing', async () => {
    const stopping = await start();
    const idle = connect(Number(new URL(stopping.url).port), '127.0.0.1');
    await once(idle, 'connect');
    await (await fetch(`${stopping.url}/health/live`)).text();

    const [stopped] = await Promise.all([stopping.stop(), once(idle.resume(), 'close')]);
    expect(stopped).toBe(true);
  });
});
