import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { DecisionsModule } from '../decisions/decisions.module.js';
import { ApiKeysController } from './api-keys.controller.js';

@Module({ imports: [AccessModule, DecisionsModule], controllers: [ApiKeysController] })
export class ApiKeysModule {}
