import { Module } from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { Projector } from '@buckets/log';
import { LOGGER } from '@buckets/service';
import { Registry } from 'prom-client';
import { DataSource } from 'typeorm';
import { Decider } from '../decisions/decider.js';
import { DecisionsModule } from '../decisions/decisions.module.js';
import type { Issuer } from '../oidc/issuer.js';
import { ISSUER, issuerOf } from '../oidc/issuer-settings.js';
import type { ApiSettings } from '../settings.js';
import { provided } from '../wiring/provided.js';
import { API_SETTINGS, JETSTREAM } from '../wiring/tokens.js';
import { AccessGuard } from './access-guard.js';
import { Admission } from './admission.js';
import { LateBodies } from './late-bodies.js';
import { Owners } from './owners.js';
import { Revocations } from './revocations.js';
import { RouteCheck } from './route-check.js';
import { StillAdmitted } from './still-admitted.js';
import { SteadyTables } from './steady-tables.js';
import { AdminToken, ApiKeys, IssuerTokens, Tokens } from './tokens.js';

/** Who may do what: each request passes these, in this order. */
@Module({
  imports: [DecisionsModule],
  providers: [
    RouteCheck,
    { provide: ISSUER, useFactory: issuerOf, inject: [API_SETTINGS, LOGGER] },
    provided(Admission, DataSource),
    provided(StillAdmitted, Tokens, Decider),
    provided(Revocations, JETSTREAM, Projector),
    { provide: Owners, useFactory: (issuer: Issuer | null) => new Owners(issuer?.userIds), inject: [ISSUER] },
    {
      provide: Tokens,
      useFactory: (
        settings: ApiSettings,
        issuer: Issuer | null,
        data: DataSource,
        registry: Registry,
        revocations: Revocations,
      ) => {
        const { adminToken, oidcAdminRole: admin, oidcOperatorRole: operator } = settings;
        const ofIssuer = issuer === null ? [] : [new IssuerTokens(issuer, { admin, operator })];
        return new Tokens([new AdminToken(adminToken), ...ofIssuer, new ApiKeys(data, revocations)], registry);
      },
      inject: [API_SETTINGS, ISSUER, DataSource, Registry, Revocations],
    },
    { provide: APP_GUARD, useFactory: (projector: Projector) => new SteadyTables(projector), inject: [Projector] },
    {
      provide: APP_GUARD,
      useFactory: (tokens: Tokens, admission: Admission) => new AccessGuard(tokens, admission),
      inject: [Tokens, Admission],
    },
    { provide: APP_INTERCEPTOR, useFactory: (tokens: Tokens) => new LateBodies(tokens), inject: [Tokens] },
  ],
  exports: [ISSUER, Owners, Admission, StillAdmitted],
})
export class AccessModule {}
