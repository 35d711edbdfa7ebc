import type { MicroserviceOptions } from '@nestjs/microservices';
import { mountOpenApi, runService } from '@buckets/service';
import { ApiModule } from './api.module.js';
import { claimsServer } from './claims/claims-server.js';
import { isRaw } from './live-files/read-body.js';
import { problemOf } from './problems/problem-of.js';
import { apiSettings } from './settings.js';

await runService({
  name: 'api',
  settings: apiSettings,
  module: (settings) => ApiModule.with(settings),
  translate: problemOf,
  bodies: { isRaw },
  prepare: async (app) => {
    await mountOpenApi(app, {
      title: 'Buckets',
      version: '1',
      description: 'Keeps the projects of a fleet of hosts safe in object storage.',
    });
    app.connectMicroservice<MicroserviceOptions>({ strategy: claimsServer(app) });
  },
});
