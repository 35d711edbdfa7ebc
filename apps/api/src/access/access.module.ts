import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { Projector } from '@buckets/log';
import { DataSource } from 'typeorm';
import { DecisionsModule } from '../decisions/decisions.module.js';
import type { ApiSettings } from '../settings.js';
import { API_SETTINGS } from '../wiring/tokens.js';
import { SteadyTables } from './steady-tables.js';
import { TokenGuard } from './token-guard.js';

/** Who may do what: each request passes these, in this order. */
@Module({
  imports: [DecisionsModule],
  providers: [
    { provide: APP_GUARD, useFactory: (projector: Projector) => new SteadyTables(projector), inject: [Projector] },
    {
      provide: APP_GUARD,
      useFactory: ({ adminToken }: ApiSettings, data: DataSource) => new TokenGuard(adminToken, data),
      inject: [API_SETTINGS, DataSource],
    },
  ],
})
export class AccessModule {}
