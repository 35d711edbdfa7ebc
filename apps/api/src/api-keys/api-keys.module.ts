import { Module } from '@nestjs/common';
import { DecisionsModule } from '../decisions/decisions.module.js';
import { ApiKeysController } from './api-keys.controller.js';

@Module({ imports: [DecisionsModule], controllers: [ApiKeysController] })
export class ApiKeysModule {}
