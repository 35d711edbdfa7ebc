import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { ProjectDecisionsModule } from '../project-decisions/project-decisions.module.js';
import { provided } from '../wiring/provided.js';
import { NATS } from '../wiring/tokens.js';
import { HostFiles } from './host-files.js';
import { LiveFilesController } from './live-files.controller.js';

@Module({
  imports: [AccessModule, ProjectDecisionsModule],
  controllers: [LiveFilesController],
  providers: [provided(HostFiles, NATS)],
  exports: [HostFiles],
})
export class LiveFilesModule {}
