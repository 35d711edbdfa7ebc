import { Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { connectToNats } from '@buckets/log';
import { HealthChecks, LOGGER, type Logger } from '@buckets/service';
import { PlatformKeys } from '@buckets/vault';
import { DataSource } from 'typeorm';
import { PROJECT_KEYS } from '../keys/project-keys.js';
import { VaultKeys } from '../keys/vault-keys.js';
import { KnownLog } from '../log-recovery/known-log.js';
import type { ApiSettings } from '../settings.js';
import { openDatabase } from './database.js';
import { API_SETTINGS, JETSTREAM, NATS } from './tokens.js';

/** Somebody waits: better a 503 within seconds. */
const NATS_ANSWER_MS = 2_000;

/** NATS, Postgres, and the buckets by the vault. They are let go of when nobody uses them any more. */
@Module({
  providers: [
    {
      provide: NATS,
      useFactory: ({ natsUrl, natsCredsFile }: ApiSettings) =>
        connectToNats({ url: natsUrl, credsFile: natsCredsFile, name: 'buckets-api' }),
      inject: [API_SETTINGS],
    },
    {
      provide: JETSTREAM,
      useFactory: (nats: NatsConnection) => jetstreamManager(nats, { timeout: NATS_ANSWER_MS }),
      inject: [NATS],
    },
    {
      provide: DataSource,
      useFactory: ({ postgresUrl, postgresConnections }: ApiSettings) =>
        openDatabase(postgresUrl.reveal(), postgresConnections),
      inject: [API_SETTINGS],
    },
    {
      provide: KnownLog,
      useFactory: (
        settings: ApiSettings,
        nats: NatsConnection,
        jsm: JetStreamManager,
        data: DataSource,
        log: Logger,
      ) => {
        const { natsReplicas: replicas, logBytes } = settings;
        return KnownLog.open({ nats, jsm, data, limits: { replicas, logBytes }, log });
      },
      inject: [API_SETTINGS, NATS, JETSTREAM, DataSource, LOGGER],
    },
    {
      provide: PROJECT_KEYS,
      useFactory: ({ platformKey }: ApiSettings, data: DataSource) =>
        new VaultKeys(data, new PlatformKeys(platformKey.reveal())),
      inject: [API_SETTINGS, DataSource],
    },
  ],
  exports: [NATS, JETSTREAM, DataSource, KnownLog, PROJECT_KEYS],
})
export class EdgesModule implements OnModuleInit, OnApplicationShutdown {
  constructor(private readonly parts: ModuleRef) {}

  onModuleInit(): void {
    const health = this.parts.get(HealthChecks, { strict: false });
    const [nats, data, keys] = [this.nats, this.data, this.keys];
    health.register({ name: 'nats', check: async () => void (await nats.rtt()) });
    health.register({ name: 'postgres', check: async () => void (await data.query('SELECT 1')) });
    health.register({ name: 's3', check: (signal) => keys.checkBuckets(signal) });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.parts.get(KnownLog).close();
    this.keys.close();
    await this.data.destroy();
    await this.nats.drain();
  }

  private get nats(): NatsConnection {
    return this.parts.get<NatsConnection>(NATS);
  }

  private get data(): DataSource {
    return this.parts.get(DataSource);
  }

  private get keys(): VaultKeys {
    return this.parts.get<VaultKeys>(PROJECT_KEYS);
  }
}
