import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { connectToNats, ProjectionHeadway, Projector } from '@buckets/log';
import { HealthChecks, LOGGER, type Logger } from '@buckets/service';
import { Registry } from 'prom-client';
import { DataSource } from 'typeorm';
import { SchedulerMetrics } from './metrics.js';
import { Scheduler } from './scheduler.js';
import type { SchedulerSettings } from './settings.js';
import { openSchedulerDatabase } from './tables/database.js';
import { SchedulerProjection } from './tables/scheduler-projection.js';

const NATS = Symbol('the connection to NATS');
const JETSTREAM = Symbol('the manager of its streams');

/** The scheduler, put together. */
@Module({})
export class SchedulerModule {
  static with(settings: SchedulerSettings): DynamicModule {
    const { natsUrl, natsCredsFile, postgresUrl, postgresConnections } = settings;
    return {
      module: SchedulerModule,
      providers: [
        {
          provide: NATS,
          useFactory: () => connectToNats({ url: natsUrl, credsFile: natsCredsFile, name: 'buckets-scheduler' }),
        },
        { provide: JETSTREAM, useFactory: (nats: NatsConnection) => jetstreamManager(nats), inject: [NATS] },
        {
          provide: DataSource,
          useFactory: () => openSchedulerDatabase({ url: postgresUrl.reveal(), connections: postgresConnections }),
        },
        {
          provide: Projector,
          useFactory: (nats: NatsConnection, jsm: JetStreamManager, data: DataSource, log: Logger) =>
            new Projector(jetstream(nats), jsm, data, new SchedulerProjection(), log),
          inject: [NATS, JETSTREAM, DataSource, LOGGER],
        },
        {
          provide: SchedulerMetrics,
          useFactory: (registry: Registry, projector: Projector) => new SchedulerMetrics(registry, projector),
          inject: [Registry, Projector],
        },
        {
          provide: Scheduler,
          useFactory: (
            nats: NatsConnection,
            jsm: JetStreamManager,
            data: DataSource,
            projector: Projector,
            metrics: SchedulerMetrics,
            log: Logger,
          ) => new Scheduler({ nats, jsm, data, projector, metrics, settings, log }),
          inject: [NATS, JETSTREAM, DataSource, Projector, SchedulerMetrics, LOGGER],
        },
        {
          provide: Lifecycle,
          useFactory: Lifecycle.start,
          inject: [NATS, JETSTREAM, DataSource, Projector, Scheduler, HealthChecks],
        },
      ],
    };
  }
}

/** Begins and ends what works by itself: the tables first, then who reads them. */
class Lifecycle implements OnApplicationShutdown {
  private constructor(
    private readonly nats: NatsConnection,
    private readonly data: DataSource,
    private readonly projector: Projector,
    private readonly scheduler: Scheduler,
  ) {}

  static async start(
    this: void,
    nats: NatsConnection,
    jsm: JetStreamManager,
    data: DataSource,
    projector: Projector,
    scheduler: Scheduler,
    health: HealthChecks,
  ): Promise<Lifecycle> {
    await projector.start();
    scheduler.start();
    health.register({ name: 'nats', check: async () => void (await nats.rtt()) });
    health.register({ name: 'postgres', check: async () => void (await data.query('SELECT 1')) });
    const headway = new ProjectionHeadway(projector, jsm);
    health.register({ name: 'projection', check: () => headway.check() });
    health.register({ name: 'work', check: async () => scheduler.check() });
    health.warn({ name: 'activity', look: async () => scheduler.warning() });
    health.warn({ name: 'hosts', look: async () => scheduler.hostsWarning() });
    health.warn({ name: 'clocks', look: () => Promise.resolve(scheduler.clocks.warning()) });
    return new Lifecycle(nats, data, projector, scheduler);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.scheduler.stop();
    await this.projector.stop();
    await this.data.destroy();
    await this.nats.drain();
  }
}
