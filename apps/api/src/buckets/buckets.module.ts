import { Module } from '@nestjs/common';
import { DecisionsModule } from '../decisions/decisions.module.js';
import { BucketsController } from './buckets.controller.js';

@Module({ imports: [DecisionsModule], controllers: [BucketsController] })
export class BucketsModule {}
