import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { withOptionalBodies } from '@buckets/service';
import { SCOPES } from '@buckets/contracts';
import { ApiModule } from '../api.module.js';
import { controllersOf } from '../wiring/controllers.js';

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
    document = withOptionalBodies(SwaggerModule.createDocument(app, new DocumentBuilder().build()));
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
