import { Inject, Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { jetstream, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { Log, ProjectionHeadway, Projector } from '@buckets/log';
import { HealthChecks, LOGGER, type Logger } from '@buckets/service';
import { Registry } from 'prom-client';
import { DataSource } from 'typeorm';
import { KnownLog } from '../log-recovery/known-log.js';
import { TablesProjection } from '../tables/tables-projection.js';
import { EdgesModule } from '../wiring/edges.module.js';
import { JETSTREAM, NATS } from '../wiring/tokens.js';
import { Decider } from './decider.js';
import { EndedOperations } from './ended-operations.js';

/** The log, the tables that are made from it, and who decides what is written. */
@Module({
  imports: [EdgesModule],
  providers: [
    {
      provide: Log,
      useFactory: (nats: NatsConnection, jsm: JetStreamManager, known: KnownLog) =>
        new Log(nats, jsm, 'buckets/api', known.certain),
      inject: [NATS, JETSTREAM, KnownLog],
    },
    {
      provide: Projector,
      useFactory: (nats: NatsConnection, jsm: JetStreamManager, data: DataSource, log: Logger) =>
        new Projector(jetstream(nats), jsm, data, new TablesProjection(), log),
      inject: [NATS, JETSTREAM, DataSource, LOGGER],
    },
    {
      provide: Decider,
      useFactory: (
        nats: NatsConnection,
        log: Log,
        jsm: JetStreamManager,
        data: DataSource,
        projector: Projector,
        registry: Registry,
      ) => {
        const ended = new EndedOperations(registry);
        const decider = new Decider(log, jsm, data, projector, (events) => ended.count(events));
        void forgetWhenAway(nats, decider);
        return decider;
      },
      inject: [NATS, Log, JETSTREAM, DataSource, Projector, Registry],
    },
  ],
  exports: [Log, Projector, Decider, EdgesModule],
})
export class DecisionsModule implements OnModuleInit, OnApplicationShutdown {
  constructor(
    private readonly projector: Projector,
    private readonly known: KnownLog,
    private readonly health: HealthChecks,
    @Inject(JETSTREAM) private readonly jsm: JetStreamManager,
  ) {}

  /** The tables first, then whoever reads them. */
  async onModuleInit(): Promise<void> {
    await this.projector.start();
    const { known, health } = this;
    health.register({ name: 'log', check: () => (known.trouble ? Promise.reject(known.trouble) : Promise.resolve()) });
    const headway = new ProjectionHeadway(this.projector, this.jsm);
    health.register({ name: 'projection', check: () => headway.check() });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.projector.stop();
  }
}

/** A server that comes back may hold an older copy of the log. */
async function forgetWhenAway(nats: NatsConnection, decider: Decider): Promise<void> {
  for await (const { type } of nats.status()) if (type === 'disconnect') decider.forget();
}
