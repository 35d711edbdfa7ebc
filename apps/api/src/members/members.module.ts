import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { ProjectDecisionsModule } from '../project-decisions/project-decisions.module.js';
import { MembersController } from './members.controller.js';

@Module({ imports: [AccessModule, ProjectDecisionsModule], controllers: [MembersController] })
export class MembersModule {}
