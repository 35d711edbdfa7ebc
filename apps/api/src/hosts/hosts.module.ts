import { Module } from '@nestjs/common';
import { LOGGER } from '@buckets/service';
import { DecisionsModule } from '../decisions/decisions.module.js';
import type { ApiSettings } from '../settings.js';
import { provided } from '../wiring/provided.js';
import { API_SETTINGS, JETSTREAM } from '../wiring/tokens.js';
import { HostCredentials } from './host-credentials.js';
import { HostSigns } from './host-signs.js';
import { HostsController } from './hosts.controller.js';

@Module({
  imports: [DecisionsModule],
  controllers: [HostsController],
  providers: [
    provided(HostSigns, JETSTREAM, LOGGER),
    {
      provide: HostCredentials,
      useFactory: ({ hostsSigningKey, hostsAccount }: ApiSettings) =>
        new HostCredentials(hostsSigningKey, hostsAccount),
      inject: [API_SETTINGS],
    },
  ],
  exports: [HostSigns],
})
export class HostsModule {}
