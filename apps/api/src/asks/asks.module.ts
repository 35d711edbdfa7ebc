import { Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { HealthChecks, LOGGER } from '@buckets/service';
import { DataSource } from 'typeorm';
import { Decider } from '../decisions/decider.js';
import { DecisionsModule } from '../decisions/decisions.module.js';
import { PROJECT_KEYS } from '../keys/project-keys.js';
import { provided } from '../wiring/provided.js';
import { NATS } from '../wiring/tokens.js';
import { AskDesk } from './ask-desk.js';

/** What hosts ask. */
@Module({
  imports: [DecisionsModule],
  providers: [provided(AskDesk, NATS, Decider, DataSource, PROJECT_KEYS, LOGGER)],
})
export class AsksModule implements OnModuleInit, OnApplicationShutdown {
  constructor(
    private readonly desk: AskDesk,
    private readonly health: HealthChecks,
  ) {}

  onModuleInit(): void {
    this.desk.open();
    this.health.register({ name: 'asks', check: async () => this.desk.check() });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.desk.close();
  }
}
