import { Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { HealthChecks, LOGGER } from '@buckets/service';
import { ProjectCommands } from '../project-decisions/project-commands.js';
import { ProjectDecisionsModule } from '../project-decisions/project-decisions.module.js';
import { provided } from '../wiring/provided.js';
import { NATS } from '../wiring/tokens.js';
import { CommandDesk } from './command-desk.js';

/** What process managers ask for. */
@Module({
  imports: [ProjectDecisionsModule],
  providers: [provided(CommandDesk, NATS, ProjectCommands, LOGGER)],
})
export class CommandsModule implements OnModuleInit, OnApplicationShutdown {
  constructor(
    private readonly desk: CommandDesk,
    private readonly health: HealthChecks,
  ) {}

  onModuleInit(): void {
    this.desk.open();
    this.health.register({ name: 'commands', check: async () => this.desk.check() });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.desk.close();
  }
}
