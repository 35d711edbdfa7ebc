import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import type { NatsConnection } from '@nats-io/transport-node';
import { connectToNats } from '@buckets/log';
import { HealthChecks } from '@buckets/service';

/** The public face of shares, put together. */
@Module({})
export class ShareServerModule {
  static with({ natsUrl, natsCredsFile }: { natsUrl: string; natsCredsFile: string }): DynamicModule {
    return {
      module: ShareServerModule,
      providers: [
        {
          provide: Connection,
          useFactory: async (health: HealthChecks) => {
            const nats = await connectToNats({ url: natsUrl, credsFile: natsCredsFile, name: 'buckets-share-server' });
            health.register({ name: 'nats', check: async () => void (await nats.rtt()) });
            return new Connection(nats);
          },
          inject: [HealthChecks],
        },
      ],
    };
  }
}

class Connection implements OnApplicationShutdown {
  constructor(private readonly nats: NatsConnection) {}

  async onApplicationShutdown(): Promise<void> {
    await this.nats.drain();
  }
}
