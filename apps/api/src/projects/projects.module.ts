import { Inject, Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { jetstream, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { Projector } from '@buckets/log';
import { HealthChecks, LOGGER, type Logger } from '@buckets/service';
import { Gauge, Registry } from 'prom-client';
import { DataSource } from 'typeorm';
import { AccessModule } from '../access/access.module.js';
import { LiveFilesModule } from '../live-files/live-files.module.js';
import { OperationsModule } from '../operations/operations.module.js';
import { ProjectDecisionsModule } from '../project-decisions/project-decisions.module.js';
import type { ApiSettings } from '../settings.js';
import { API_SETTINGS, JETSTREAM, NATS } from '../wiring/tokens.js';
import { ConfirmedFreshness } from './confirmed-freshness.js';
import { noticeDamage } from './damage-notice.js';
import { ProjectsController } from './projects.controller.js';

/** Projects, and how fresh they are by what was confirmed. */
@Module({
  imports: [AccessModule, ProjectDecisionsModule, OperationsModule, LiveFilesModule],
  controllers: [ProjectsController],
  providers: [
    {
      provide: ConfirmedFreshness,
      useFactory: (projector: Projector, registry: Registry, log: Logger, { freshnessLimitMs }: ApiSettings) => {
        const freshness = new ConfirmedFreshness({ projector, limitMs: freshnessLimitMs, log });
        new Gauge({
          name: 'buckets_freshness_unconfirmed_seconds',
          help: 'How long ago what is shown of freshness was confirmed, as far as it rests on the log',
          registers: [registry],
          collect() {
            this.set(freshness.unconfirmedMs / 1000);
          },
        });
        return freshness;
      },
      inject: [Projector, Registry, LOGGER, API_SETTINGS],
    },
  ],
})
export class ProjectsModule implements OnModuleInit, OnApplicationShutdown {
  private readonly stopping = new AbortController();

  constructor(
    private readonly freshness: ConfirmedFreshness,
    private readonly health: HealthChecks,
    private readonly data: DataSource,
    private readonly registry: Registry,
    @Inject(NATS) private readonly nats: NatsConnection,
    @Inject(JETSTREAM) private readonly jsm: JetStreamManager,
  ) {}

  onModuleInit(): void {
    this.health.register({ name: 'confirmations', check: async () => this.freshness.check() });
    this.health.warn({ name: 'freshness', look: () => Promise.resolve(this.freshness.warning()) });
    noticeDamage(this.data, this.health, this.registry);
    void this.freshness.listen(jetstream(this.nats), this.jsm, this.stopping.signal);
  }

  onApplicationShutdown(): void {
    this.stopping.abort();
  }
}
