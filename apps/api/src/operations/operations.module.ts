import { Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Projector } from '@buckets/log';
import { HealthChecks, LOGGER } from '@buckets/service';
import { DataSource } from 'typeorm';
import { AccessModule } from '../access/access.module.js';
import { PROJECT_KEYS } from '../keys/project-keys.js';
import { HostSigns } from '../hosts/host-signs.js';
import { HostsModule } from '../hosts/hosts.module.js';
import { ProjectDecisionsModule } from '../project-decisions/project-decisions.module.js';
import { provided } from '../wiring/provided.js';
import { JETSTREAM, NATS } from '../wiring/tokens.js';
import { OperationFollower } from './operation-follower.js';
import { OperationStream } from './operation-stream.js';
import { Operations } from './operations.js';
import { OperationsController } from './operations.controller.js';
import { ProgressBoard } from './progress-board.js';

/** What operations come to, and how far they are. */
@Module({
  imports: [AccessModule, HostsModule, ProjectDecisionsModule],
  controllers: [OperationsController],
  providers: [
    provided(ProgressBoard, NATS, JETSTREAM, LOGGER),
    provided(Operations, DataSource, PROJECT_KEYS, ProgressBoard, HostSigns),
    provided(OperationFollower, Operations, Projector),
    provided(OperationStream, Operations, ProgressBoard, OperationFollower),
  ],
  exports: [Operations],
})
export class OperationsModule implements OnModuleInit, OnApplicationShutdown {
  constructor(
    private readonly board: ProgressBoard,
    private readonly health: HealthChecks,
  ) {}

  onModuleInit(): void {
    this.board.open();
    this.health.warn({ name: 'progress', look: async () => this.board.leftOut.warning() });
  }

  onApplicationShutdown(): void {
    this.board.close();
  }
}
