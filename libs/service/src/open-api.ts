import type { NestExpressApplication } from '@nestjs/platform-express';
import type { OpenAPIObject } from '@nestjs/swagger';
import { describeRules } from './described-rules.js';

export interface OpenApiOptions {
  readonly title: string;
  readonly version: string;
  readonly description: string;
}

/**
 * Serves the description of all routes at `/openapi.json` and a page to read and try them at `/docs`, both from this
 * process alone. To be called in `prepare`; the document is made when it is first asked for.
 */
export async function mountOpenApi(
  app: NestExpressApplication,
  { title, version, description }: OpenApiOptions,
): Promise<void> {
  // Loaded here, as it takes 13 MiB of memory that services without documentation need not have.
  const { ApiProperty, DocumentBuilder, SwaggerModule } = await import('@nestjs/swagger');
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle(title)
    .setVersion(version)
    .setDescription(description)
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'An API key or a JWT' })
    .addSecurityRequirements('bearer')
    .build();
  const describe = () => {
    describeRules(ApiProperty);
    const document = withExactBodies(SwaggerModule.createDocument(app, config));
    return { ...document, paths: { ...document.paths, ...OF_EVERY_SERVICE } };
  };
  SwaggerModule.setup('docs', app, describe, {
    jsonDocumentUrl: '/openapi.json',
    raw: ['json'],
    customSiteTitle: title,
    // The page would send the document to a validator elsewhere.
    swaggerOptions: { validatorUrl: null },
  });
}

/**
 * Says of the bodies of requests what holds for all: the body of one whose fields may all be left out may be left out itself,
 * but for that of a change; and what is not described is refused.
 */
export function withExactBodies<T extends Pick<OpenAPIObject, 'paths' | 'components'>>(document: T): T {
  const schemas = (document.components?.schemas ?? {}) as Record<string, Schema | undefined>;
  const routes = Object.values(document.paths).flatMap((methods) => Object.entries(methods as Routes));
  for (const [method, { requestBody }] of routes) {
    const name = nameIn(requestBody?.content?.['application/json']?.schema);
    const schema = name === undefined ? undefined : schemas[name];
    if (requestBody === undefined || schema === undefined) continue;
    requestBody.required = method === 'patch' || (schema.required ?? []).length > 0;
    close(name!, schemas);
  }
  return document;
}

/** Closes a schema, and those that its fields refer to. */
function close(name: string, schemas: Record<string, Schema | undefined>): void {
  const schema = schemas[name];
  if (schema?.properties === undefined || schema.additionalProperties === false) return;
  schema.additionalProperties = false;
  for (const field of Object.values(schema.properties)) {
    if (field.nullable === true && field.type !== undefined) {
      // As OpenAPI 3.1 has it.
      field.type = [field.type, 'null'].flat();
      delete field.nullable;
    }
    for (const each of [field, field.items, ...(field.allOf ?? [])]) {
      const inner = nameIn(each);
      if (inner !== undefined) close(inner, schemas);
    }
  }
}

function nameIn(schema: Schema | undefined): string | undefined {
  return schema?.$ref?.split('/').at(-1);
}

type Routes = Record<string, { requestBody?: Body }>;
interface Body {
  required?: boolean;
  content?: Record<string, { schema?: Schema }>;
}
interface Schema {
  $ref?: string;
  type?: string | string[];
  nullable?: boolean;
  required?: string[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean;
  items?: Schema;
  allOf?: Schema[];
}

const health = (status: string) => ({
  schema: {
    type: 'object',
    required: ['status'],
    properties: {
      status: { type: 'string', enum: status.split('|') },
      checks: {
        type: 'object',
        description: 'By part: whether it can be used, and why not',
        additionalProperties: {
          type: 'object',
          required: ['status'],
          properties: { status: { type: 'string', enum: ['up', 'down'] }, reason: { type: 'string' } },
        },
      },
      warnings: {
        type: 'object',
        description:
          'What people should see to although it can do its work, a sentence each; absent when there is nothing',
        additionalProperties: { type: 'string' },
      },
    },
  },
});

/** Described here and not where they are: services without documentation do not load the library that describes. */
const OF_EVERY_SERVICE = {
  '/health/live': {
    get: {
      operationId: 'live',
      summary: 'Says whether the process lives',
      tags: ['health'],
      security: [],
      responses: { 200: { description: 'The process lives', content: { 'application/json': health('up') } } },
    },
  },
  '/health/ready': {
    get: {
      operationId: 'ready',
      summary: 'Says whether it can do its work, part by part',
      tags: ['health'],
      security: [],
      responses: {
        200: { description: 'It can do its work', content: { 'application/json': health('up') } },
        503: { description: 'It cannot', content: { 'application/json': health('down|stopping') } },
      },
    },
  },
  '/metrics': {
    get: {
      operationId: 'metrics',
      summary: 'Tells the metrics of the process, for Prometheus',
      tags: ['health'],
      security: [],
      responses: {
        200: { description: 'For Prometheus', content: { 'text/plain': { schema: { type: 'string' } } } },
      },
    },
  },
};
