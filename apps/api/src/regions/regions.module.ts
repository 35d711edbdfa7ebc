import { Module } from '@nestjs/common';
import { DecisionsModule } from '../decisions/decisions.module.js';
import { RegionsController } from './regions.controller.js';

@Module({ imports: [DecisionsModule], controllers: [RegionsController] })
export class RegionsModule {}
