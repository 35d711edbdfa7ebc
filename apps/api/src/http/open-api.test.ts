import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ApiProperty, DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import fc from 'fast-check';
import {
  createLogger,
  describeRules,
  mountOpenApi,
  serviceSettings,
  startService,
  withExactBodies,
  type RunningService,
} from '@buckets/service';
import { readSettings } from '@buckets/settings';
import { SCOPES } from '@buckets/contracts';
import type { Caller } from '../access/caller.js';
import { ApiModule } from '../api.module.js';
import { controllersOf } from '../wiring/controllers.js';
import { SchemaValues, type Schema } from './testing/schema-values.js';

jest.setTimeout(120_000);

interface Described {
  summary?: string;
  security?: Record<string, string[]>[];
  parameters?: { name: string; in: string; schema?: { type?: string; pattern?: string } }[];
  requestBody?: { required?: boolean; content: Record<string, { schema: { $ref?: string; type?: string } }> };
  responses: Record<string, { headers?: object; content?: Record<string, { schema: object }> }>;
}

describe('the description of the API', () => {
  let app: INestApplication;
  let document: OpenAPIObject;
  let routes: [name: string, described: Described][];

  beforeAll(async () => {
    app = await NestFactory.create(withoutParts(), { logger: ['error'] });
    describeRules(ApiProperty);
    document = withExactBodies(SwaggerModule.createDocument(app, new DocumentBuilder().build()));
    routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods as Record<string, Described>).map(([method, described]): [string, Described] => [
        `${method.toUpperCase()} ${path}`,
        described,
      ]),
    );
  });
  afterAll(() => app.close());

  it('says of every route what it does, and which scope it needs', () => {
    expect(routes.length).toBeGreaterThan(25);
    for (const [name, { summary, security }] of routes) {
      expect([name, summary]).toEqual([name, expect.stringMatching(/^[A-Z].{5,}[^.]$/)]);
      const scopes = (security ?? []).flatMap((each) => each['bearer'] ?? []);
      expect([name, scopes]).toEqual([name, [expect.any(String)]]);
      expect(SCOPES).toContain(scopes[0]);
    }
  });

  it('says of every route what it takes', () => {
    for (const [name, { parameters = [], requestBody }] of routes) {
      const [method, path] = name.split(' ') as [string, string];
      const inPath = parameters.filter((parameter) => parameter.in === 'path');
      expect([name, inPath.map((each) => each.name).toSorted()]).toEqual([
        name,
        [...path.matchAll(/\{(\w+)\}/g)].map(([, id]) => id).toSorted(),
      ]);
      for (const { schema } of inPath) expect([name, schema?.pattern]).toEqual([name, expect.stringContaining('^[')]);
      if (method === 'GET' || method === 'DELETE') expect([name, requestBody]).toEqual([name, undefined]);
      for (const { schema } of Object.values(requestBody?.content ?? {})) {
        expect([name, schema.$ref ?? schema.type]).toEqual([name, expect.any(String)]);
      }
    }
  });

  it('says whether a request needs a body', () => {
    const needs = Object.fromEntries(routes.map(([name, { requestBody }]) => [name, requestBody?.required]));
    expect(needs).toMatchObject({
      'POST /v1/projects/{id}/verify': false,
      'POST /v1/projects/{id}/start': false,
      'POST /v1/projects/{id}/tidy': false,
      'POST /v1/projects/{id}/changes': true,
      'POST /v1/projects': true,
      'PATCH /v1/projects/{id}': true,
    });
  });

  it('says of every route what it answers, and how it says no', () => {
    for (const [name, { responses }] of routes) {
      const statuses = Object.keys(responses);
      expect([name, statuses]).toEqual([name, expect.arrayContaining(['400', '401', '403', '503', 'default'])]);
      const [good] = statuses.filter((status) => status.startsWith('2'));
      expect([name, good]).toEqual([name, expect.stringMatching(/^20[0124]$/)]);
      if (good !== '204') expect([name, responses[good!]!.content]).toEqual([name, expect.any(Object)]);
      if (good === '202') expect(responses[good]!.headers).toHaveProperty('Location');
      for (const status of statuses.filter((each) => each >= '400')) {
        expect(responses[status]!.content).toEqual({
          'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemAnswer' } },
        });
      }
    }
  });

  it('names the key of whatever may be repeated', () => {
    const repeatable = routes.filter(([, { parameters = [] }]) =>
      parameters.some((each) => each.name === 'Idempotency-Key'),
    );
    const posts = routes.map(([name]) => name).filter((name) => name.startsWith('POST '));
    const harmless = ['POST /v1/hosts/{id}/credentials', 'POST /v1/projects/{id}/changes', 'POST /v1/user-ids'];
    expect(repeatable.map(([name]) => name)).toEqual(
      expect.arrayContaining(posts.filter((name) => !harmless.includes(name))),
    );
  });

  it('tells whole numbers from others', () => {
    const fields = Object.values(document.components?.schemas ?? {}).flatMap((schema) =>
      Object.entries((schema as { properties?: Record<string, { type?: string }> }).properties ?? {}),
    );
    const parameters = routes.flatMap(([, described]) => described.parameters ?? []);
    const typed = [...fields, ...parameters.map(({ name, schema }) => [name, schema ?? {}] as const)];
    const numbers = typed.filter(([, { type }]) => type === 'number').map(([name]) => name);
    expect([...new Set(numbers)].toSorted()).toEqual(['latitude', 'longitude', 'readData']);
    const limits = routes.flatMap(([, { parameters = [] }]) => parameters.filter(({ name }) => name === 'limit'));
    for (const { schema } of limits) expect(schema).toMatchObject({ type: 'integer', minimum: 1 });
  });
});

/** Nothing is behind the routes: whatever is let in ends as a failure of the service, or is answered with nothing. */
describe('what the description says of a request is what the API does with it:', () => {
  let service: RunningService;
  let routes: Requested[];
  let values: SchemaValues;

  beforeAll(async () => {
    service = await startService({
      module: withoutParts(),
      settings: readSettings(serviceSettings, {}),
      log: createLogger('test', { level: 'fatal' }),
      prepare: async (app) => {
        app.use((request: { caller?: Caller }, _: unknown, next: () => void) => {
          request.caller = { kind: 'admin', id: 'admin', name: 'admin', scopes: ['admin'], reach: 'fleet' };
          next();
        });
        await mountOpenApi(app, { title: 'T', version: '1', description: 'D' });
      },
    });
    const document = (await (await fetch(`${service.url}/openapi.json`)).json()) as OpenAPIObject;
    values = new SchemaValues((document.components?.schemas ?? {}) as Record<string, Schema>);
    routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods as Record<string, Requested>).map(([method, { parameters = [], requestBody }]) => ({
        method: method.toUpperCase(),
        path,
        parameters,
        ...(requestBody === undefined ? {} : { requestBody }),
      })),
    );
  });
  afterAll(() => service.stop());

  /** Why a request was refused for how it is; undefined when it was let in. */
  async function refusal(
    { method, path }: Requested,
    { body, query = {}, text }: { body?: unknown; query?: Record<string, unknown>; text?: string | Buffer },
  ): Promise<string | undefined> {
    const address = path.replace('{backupId}', 'ab'.repeat(32)).replaceAll(/\{\w+\}/g, 'atlas');
    const search = new URLSearchParams(
      Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]),
    );
    const content = text ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(`${service.url}${address}?${search}`, {
      method,
      ...(content === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: content as string }),
    });
    const answer = await response.text();
    return [400, 413, 415].includes(response.status) ? answer : undefined;
  }
  const bodied = () => routes.filter(({ requestBody }) => requestBody?.content['application/json'] !== undefined);
  const schemaOf = ({ requestBody }: Requested) => requestBody!.content['application/json']!.schema;
  const queried = () =>
    routes.flatMap((route) =>
      route.parameters.filter(({ in: place }) => place === 'query').map((each) => ({ route, ...each })),
    );

  it('bodies that it allows are let in', async () => {
    expect(bodied().length).toBeGreaterThan(10);
    for (const route of bodied()) {
      for (const body of fc.sample(values.allowed(schemaOf(route)), 20)) {
        expect([route.method, route.path, body, await refusal(route, { body })]).toEqual([
          route.method,
          route.path,
          body,
          undefined,
        ]);
      }
      const without = await refusal(route, {});
      expect([route.method, route.path, without !== undefined]).toEqual([
        route.method,
        route.path,
        route.requestBody!.required === true,
      ]);
    }
  });

  it('bodies that it forbids are refused, and so is what is no text', async () => {
    for (const route of bodied()) {
      for (const [what, body] of values.forbidden(schemaOf(route))) {
        expect([route.method, route.path, what, await refusal(route, { body })]).toEqual([
          route.method,
          route.path,
          what,
          IN_WORDS,
        ]);
      }
      for (const text of ['', '{', '"text"', '[]', Buffer.from('{"title":"a\xffb"}', 'latin1')]) {
        if (text === '' && route.requestBody!.required !== true) continue;
        expect([route.path, String(text), await refusal(route, { text })]).toEqual([
          route.path,
          String(text),
          expect.any(String),
        ]);
      }
    }
  });

  it('queries that it allows are let in, those that it forbids are refused', async () => {
    expect(queried().length).toBeGreaterThan(10);
    const needed = (route: Requested) =>
      route.parameters
        .filter(({ required, in: place }) => required === true && place === 'query')
        .map(({ name, schema }) => [name, fc.sample(values.allowed(schema), { numRuns: 1, seed: 3 })[0]] as const);
    for (const { route, name, schema } of queried()) {
      // What goes together only: the description has no word for that.
      const together = { latitude: { longitude: 0 }, longitude: { latitude: 0 } }[name] ?? {};
      const sent = (value: unknown) => ({ ...Object.fromEntries(needed(route)), ...together, [name]: value });
      for (const value of fc.sample(values.allowed(schema), 20)) {
        // Which cursors are good, only what has given them can say.
        if (name === 'cursor') continue;
        const answer = await refusal(route, { query: sent(value) });
        expect([route.path, name, value, answer]).toEqual([route.path, name, value, undefined]);
      }
      for (const [what, value] of values.forbidden(schema)) {
        // In an address all is text.
        const isText = typeof value === 'string' && value.isWellFormed() && !value.includes('\0');
        if (schema.type === 'string' && !isText) continue;
        if (!isText && typeof value !== 'number') continue;
        const answer = await refusal(route, { query: sent(value) });
        expect([route.path, name, what, answer]).toEqual([route.path, name, what, IN_WORDS]);
      }
      const twice = await fetch(`${service.url}${route.path.replaceAll(/\{\w+\}/g, 'atlas')}?${name}=a&${name}=b`, {
        method: route.method,
      });
      expect([route.path, name, twice.status]).toEqual([route.path, name, 400]);
    }
    for (const { route } of queried()) {
      expect(await refusal(route, { query: { ...Object.fromEntries(needed(route)), unheardOf: 1 } })).toBeDefined();
      const broken = await fetch(`${service.url}${route.path.replaceAll(/\{\w+\}/g, 'atlas')}?x=%ff`, {
        method: route.method,
      });
      expect([route.path, broken.status]).toEqual([route.path, 400]);
    }
  });
});

/** For people, who do not read patterns. */
const IN_WORDS = expect.stringMatching(/^(?!.*(regular expression|conforming))/s);

interface Requested {
  method: string;
  path: string;
  parameters: { name: string; in: string; required?: boolean; schema: Schema }[];
  requestBody?: { required?: boolean; content: Record<string, { schema: Schema }> };
}

/** The API's routes, and nothing behind them. */
function withoutParts(): new () => object {
  const controllers = controllersOf(ApiModule);
  const wanted = controllers.flatMap((controller) => [
    ...((Reflect.getMetadata('design:paramtypes', controller) ?? []) as unknown[]),
    ...((Reflect.getMetadata('self:paramtypes', controller) ?? []) as { param: unknown }[]).map(({ param }) => param),
  ]);
  const tokens = [...new Set(wanted)].filter((token) => token !== undefined && token !== Object);
  class Routes {}
  Module({ controllers, providers: tokens.map((token) => ({ provide: token as never, useValue: {} })) })(Routes);
  return Routes;
}
