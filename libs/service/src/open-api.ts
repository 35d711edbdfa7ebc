import type { NestExpressApplication } from '@nestjs/platform-express';
import type { OpenAPIObject } from '@nestjs/swagger';

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
  const { DocumentBuilder, SwaggerModule } = await import('@nestjs/swagger');
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle(title)
    .setVersion(version)
    .setDescription(description)
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'An API key or a JWT' })
    .addSecurityRequirements('bearer')
    .build();
  const describe = () => {
    const document = withOptionalBodies(SwaggerModule.createDocument(app, config));
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

/** The body of a request whose fields may all be left out may be left out itself. */
export function withOptionalBodies<T extends Pick<OpenAPIObject, 'paths' | 'components'>>(document: T): T {
  const schemas = document.components?.schemas ?? {};
  for (const { requestBody } of Object.values(document.paths).flatMap((methods) => Object.values(methods as Routes))) {
    const ref = requestBody?.content?.['application/json']?.schema?.$ref?.split('/').at(-1);
    const schema = ref === undefined ? undefined : schemas[ref];
    if (requestBody === undefined || schema === undefined || '$ref' in schema) continue;
    requestBody.required = (schema.required ?? []).length > 0;
  }
  return document;
}

type Routes = Record<string, { requestBody?: Body }>;
interface Body {
  required?: boolean;
  content?: Record<string, { schema?: { $ref?: string } }>;
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
      tags: ['health'],
      security: [],
      responses: { 200: { description: 'The process lives', content: { 'application/json': health('up') } } },
    },
  },
  '/health/ready': {
    get: {
      operationId: 'ready',
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
      tags: ['health'],
      security: [],
      responses: {
        200: { description: 'For Prometheus', content: { 'text/plain': { schema: { type: 'string' } } } },
      },
    },
  },
};
