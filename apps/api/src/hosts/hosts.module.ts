import { Module } from '@nestjs/common';
import type { JetStreamManager } from '@nats-io/jetstream';
import { LOGGER, type Logger } from '@buckets/service';
import { DecisionsModule } from '../decisions/decisions.module.js';
import type { ApiSettings } from '../settings.js';
import { API_SETTINGS, JETSTREAM } from '../wiring/tokens.js';
import { HostCredentials } from './host-credentials.js';
import { HostSigns } from './host-signs.js';
import { HostsController } from './hosts.controller.js';

@Module({
  imports: [DecisionsModule],
  controllers: [HostsController],
  providers: [
    {
      provide: HostSigns,
      useFactory: (jsm: JetStreamManager, log: Logger, { hostSilenceLimitMs }: ApiSettings) =>
        new HostSigns(jsm, log, hostSilenceLimitMs),
      inject: [JETSTREAM, LOGGER, API_SETTINGS],
    },
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
