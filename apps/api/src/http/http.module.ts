import { Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { DecisionsModule } from '../decisions/decisions.module.js';
import { RequestKeys } from './request-keys.js';

/** What all routes have in common beyond who may use them: one key of idempotency is for one request. */
@Module({
  imports: [DecisionsModule],
  providers: [
    { provide: APP_INTERCEPTOR, useFactory: (data: DataSource) => new RequestKeys(data), inject: [DataSource] },
  ],
})
export class HttpModule {}
