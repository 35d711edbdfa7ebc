import { Module } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Decider } from '../decisions/decider.js';
import { DecisionsModule } from '../decisions/decisions.module.js';
import { PROJECT_KEYS, type ProjectKeys } from '../keys/project-keys.js';
import type { ApiSettings } from '../settings.js';
import { API_SETTINGS } from '../wiring/tokens.js';
import { limitsFrom } from './limits.js';
import { ProjectCommands } from './project-commands.js';

/** What may be asked of projects, whoever asks. */
@Module({
  imports: [DecisionsModule],
  providers: [
    {
      provide: ProjectCommands,
      useFactory: (decider: Decider, data: DataSource, keys: ProjectKeys, { limits }: ApiSettings) =>
        new ProjectCommands(decider, data, keys, limitsFrom(limits)),
      inject: [Decider, DataSource, PROJECT_KEYS, API_SETTINGS],
    },
  ],
  exports: [ProjectCommands, DecisionsModule],
})
export class ProjectDecisionsModule {}
