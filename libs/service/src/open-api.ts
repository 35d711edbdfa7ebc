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
  SwaggerModule.setup('docs', app, () => SwaggerModule.createDocument(app, config), {
    jsonDocumentUrl: '/openapi.json',
    raw: ['json'],
    customSiteTitle: title,
    // The page would send the document to a validator elsewhere.
    swaggerOptions: { validatorUrl: null },
  });
}
