import { Module } from '@nestjs/common';
import { OperationsModule } from '../operations/operations.module.js';
import { ProjectDecisionsModule } from '../project-decisions/project-decisions.module.js';
import { BackupsController } from './backups.controller.js';

@Module({ imports: [ProjectDecisionsModule, OperationsModule], controllers: [BackupsController] })
export class BackupsModule {}
