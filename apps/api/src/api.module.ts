import { Module, type DynamicModule } from '@nestjs/common';
import { AccessModule } from './access/access.module.js';
import { ApiKeysModule } from './api-keys/api-keys.module.js';
import { AsksModule } from './asks/asks.module.js';
import { BackupsModule } from './backups/backups.module.js';
import { BucketsModule } from './buckets/buckets.module.js';
import { ClaimsModule } from './claims/claims.module.js';
import { CommandsModule } from './commands/commands.module.js';
import { DeadLettersModule } from './dead-letters/dead-letters.module.js';
import { HostsModule } from './hosts/hosts.module.js';
import { HttpModule } from './http/http.module.js';
import { LiveFilesModule } from './live-files/live-files.module.js';
import { MembersModule } from './members/members.module.js';
import { OperationsModule } from './operations/operations.module.js';
import { ProjectsModule } from './projects/projects.module.js';
import { RegionsModule } from './regions/regions.module.js';
import { UsersModule } from './users/users.module.js';
import type { ApiSettings } from './settings.js';
import { API_SETTINGS } from './wiring/tokens.js';

/**
 * The API, put together. Each feature is a module that names what it stands on; Nest begins with what stands lowest, and ends
 * with it.
 */
@Module({
  imports: [
    AccessModule,
    HttpModule,
    RegionsModule,
    BucketsModule,
    HostsModule,
    ApiKeysModule,
    UsersModule,
    ProjectsModule,
    MembersModule,
    BackupsModule,
    OperationsModule,
    LiveFilesModule,
    DeadLettersModule,
    AsksModule,
    ClaimsModule,
    CommandsModule,
  ],
})
export class ApiModule {
  static with(settings: ApiSettings): DynamicModule {
    return {
      module: ApiModule,
      global: true,
      providers: [{ provide: API_SETTINGS, useValue: settings }],
      exports: [API_SETTINGS],
    };
  }
}
