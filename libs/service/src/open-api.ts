import type { NestExpressApplication } from '@nestjs/platform-express';

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
    const document = SwaggerModule.createDocument(app, config);
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
