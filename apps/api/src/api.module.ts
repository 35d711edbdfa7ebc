import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { Module, type DynamicModule, type OnApplicationShutdown, type Provider } from '@nestjs/common';
import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { connectToNats, Log, Projector } from '@buckets/log';
import { HealthChecks, LOGGER, type Logger } from '@buckets/service';
import { PlatformKeys } from '@buckets/vault';
import { Gauge, Registry } from 'prom-client';
import { DataSource } from 'typeorm';
import { SteadyTables } from './access/steady-tables.js';
import { TokenGuard } from './access/token-guard.js';
import { ApiKeysController } from './api-keys/api-keys.controller.js';
import { AskDesk } from './asks/ask-desk.js';
import { BackupsController } from './backups/backups.controller.js';
import { BucketsController } from './buckets/buckets.controller.js';
import { ClaimDesk } from './claims/claim-desk.js';
import { ClaimsController } from './claims/claims.controller.js';
import { CommandDesk } from './commands/command-desk.js';
import { deadLetterProviders } from './dead-letters/dead-letter-providers.js';
import { DeadLettersController } from './dead-letters/dead-letters.controller.js';
import { Decider } from './decisions/decider.js';
import { HostCredentials } from './hosts/host-credentials.js';
import { HostSigns } from './hosts/host-signs.js';
import { HostsController } from './hosts/hosts.controller.js';
import { RequestKeys } from './http/request-keys.js';
import { PROJECT_KEYS, type ProjectKeys } from './keys/project-keys.js';
import { VaultKeys } from './keys/vault-keys.js';
import { HostFiles } from './live-files/host-files.js';
import { LiveFilesController } from './live-files/live-files.controller.js';
import { EndedOperations } from './operations/ended-operations.js';
import { limitsFrom } from './operations/limits.js';
import { OperationFollower } from './operations/operation-follower.js';
import { KnownLog } from './log-recovery/known-log.js';
import { OperationStream } from './operations/operation-stream.js';
import { Operations } from './operations/operations.js';
import { OperationsController } from './operations/operations.controller.js';
import { ProgressBoard } from './operations/progress-board.js';
import { ConfirmedFreshness } from './projects/confirmed-freshness.js';
import { noticeDamage } from './projects/damage-notice.js';
import { ProjectCommands } from './projects/project-commands.js';
import { ProjectsController } from './projects/projects.controller.js';
import { RegionsController } from './regions/regions.controller.js';
import type { ApiSettings } from './settings.js';
import { TablesProjection } from './tables/tables-projection.js';
import { openDatabase } from './wiring/database.js';
import { JETSTREAM, NATS } from './wiring/tokens.js';

/** Somebody waits: better a 503 within seconds. */
const NATS_ANSWER_MS = 2_000;

/** The API, put together: edges first, what decides on top of them, then the ways in. */
@Module({})
export class ApiModule {
  static with(settings: ApiSettings): DynamicModule {
    return {
      module: ApiModule,
      controllers: [
        RegionsController,
        BucketsController,
        HostsController,
        ApiKeysController,
        ProjectsController,
        BackupsController,
        OperationsController,
        LiveFilesController,
        DeadLettersController,
        ClaimsController,
      ],
      providers: [...edges(settings), ...decisions(settings), ...deadLetterProviders, ...waysIn(settings)],
    };
  }
}

function edges(settings: ApiSettings): Provider[] {
  const { natsUrl, natsCredsFile, natsReplicas, logBytes, postgresUrl, postgresConnections } = settings;
  return [
    {
      provide: NATS,
      useFactory: () => connectToNats({ url: natsUrl, credsFile: natsCredsFile, name: 'buckets-api' }),
    },
    {
      provide: JETSTREAM,
      useFactory: (nats: NatsConnection) => jetstreamManager(nats, { timeout: NATS_ANSWER_MS }),
      inject: [NATS],
    },
    { provide: DataSource, useFactory: () => openDatabase(postgresUrl.reveal(), postgresConnections) },
    {
      provide: KnownLog,
      useFactory: (nats: NatsConnection, jsm: JetStreamManager, data: DataSource, log: Logger) =>
        KnownLog.open({ nats, jsm, data, limits: { replicas: natsReplicas, logBytes }, log }),
      inject: [NATS, JETSTREAM, DataSource, LOGGER],
    },
    {
      provide: PROJECT_KEYS,
      useFactory: (data: DataSource) => new VaultKeys(data, new PlatformKeys(settings.platformKey.reveal())),
      inject: [DataSource],
    },
  ];
}

function decisions(settings: ApiSettings): Provider[] {
  return [
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
    {
      provide: ProjectCommands,
      useFactory: (decider: Decider, data: DataSource, keys: ProjectKeys, files: HostFiles) =>
        new ProjectCommands(decider, data, keys, limitsFrom(settings.limits), files),
      inject: [Decider, DataSource, PROJECT_KEYS, HostFiles],
    },
  ];
}

function waysIn({ adminToken, hostsSigningKey, hostsAccount, freshnessLimitMs }: ApiSettings): Provider[] {
  return [
    // Guards are asked in this order.
    { provide: APP_GUARD, useFactory: (projector: Projector) => new SteadyTables(projector), inject: [Projector] },
    {
      provide: APP_GUARD,
      useFactory: (data: DataSource) => new TokenGuard(adminToken, data),
      inject: [DataSource],
    },
    { provide: APP_INTERCEPTOR, useFactory: (data: DataSource) => new RequestKeys(data), inject: [DataSource] },
    { provide: HostCredentials, useFactory: () => new HostCredentials(hostsSigningKey, hostsAccount) },
    {
      provide: HostSigns,
      useFactory: (jsm: JetStreamManager, log: Logger) => new HostSigns(jsm, log),
      inject: [JETSTREAM, LOGGER],
    },
    { provide: HostFiles, useFactory: (nats: NatsConnection) => new HostFiles(nats), inject: [NATS] },
    {
      provide: ProgressBoard,
      useFactory: (nats: NatsConnection, jsm: JetStreamManager, log: Logger) => new ProgressBoard(nats, jsm, log),
      inject: [NATS, JETSTREAM, LOGGER],
    },
    {
      provide: ConfirmedFreshness,
      useFactory: (projector: Projector, registry: Registry, log: Logger) => {
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
      inject: [Projector, Registry, LOGGER],
    },
    {
      provide: Operations,
      useFactory: (data: DataSource, keys: ProjectKeys, board: ProgressBoard, signs: HostSigns) =>
        new Operations(data, keys, board, signs),
      inject: [DataSource, PROJECT_KEYS, ProgressBoard, HostSigns],
    },
    {
      provide: OperationFollower,
      useFactory: (operations: Operations, projector: Projector) => new OperationFollower(operations, projector),
      inject: [Operations, Projector],
    },
    {
      provide: OperationStream,
      useFactory: (operations: Operations, board: ProgressBoard, follower: OperationFollower) =>
        new OperationStream(operations, board, follower),
      inject: [Operations, ProgressBoard, OperationFollower],
    },
    {
      provide: AskDesk,
      useFactory: (
        nats: NatsConnection,
        decider: Decider,
        data: DataSource,
        projector: Projector,
        keys: ProjectKeys,
        log: Logger,
      ) => new AskDesk(nats, decider, data, projector, keys, log),
      inject: [NATS, Decider, DataSource, Projector, PROJECT_KEYS, LOGGER],
    },
    {
      provide: CommandDesk,
      useFactory: (nats: NatsConnection, commands: ProjectCommands, log: Logger) =>
        new CommandDesk(nats, commands, log),
      inject: [NATS, ProjectCommands, LOGGER],
    },
    {
      provide: ClaimDesk,
      useFactory: (decider: Decider, nats: NatsConnection, jsm: JetStreamManager, log: Logger) =>
        new ClaimDesk(decider, nats, jsm, log),
      inject: [Decider, NATS, JETSTREAM, LOGGER],
    },
    {
      provide: Lifecycle,
      useFactory: Lifecycle.start,
      inject: [
        NATS,
        JETSTREAM,
        DataSource,
        KnownLog,
        Projector,
        ProgressBoard,
        ConfirmedFreshness,
        AskDesk,
        CommandDesk,
        PROJECT_KEYS,
        HealthChecks,
        Registry,
      ],
    },
  ];
}

/** A server that comes back may hold an older copy of the log. */
async function forgetWhenAway(nats: NatsConnection, decider: Decider): Promise<void> {
  for await (const { type } of nats.status()) if (type === 'disconnect') decider.forget();
}

/** Begins and ends what works by itself: tables first, then whoever reads them. */
class Lifecycle implements OnApplicationShutdown {
  private readonly stopping = new AbortController();

  private constructor(
    private readonly nats: NatsConnection,
    private readonly data: DataSource,
    private readonly known: KnownLog,
    private readonly projector: Projector,
    private readonly board: ProgressBoard,
    private readonly asks: AskDesk,
    private readonly commands: CommandDesk,
    private readonly keys: VaultKeys,
  ) {}

  static async start(
    this: void,
    nats: NatsConnection,
    jsm: JetStreamManager,
    data: DataSource,
    known: KnownLog,
    projector: Projector,
    board: ProgressBoard,
    freshness: ConfirmedFreshness,
    asks: AskDesk,
    commands: CommandDesk,
    keys: VaultKeys,
    health: HealthChecks,
    registry: Registry,
  ): Promise<Lifecycle> {
    await projector.start();
    board.open();
    asks.open();
    commands.open();
    health.register({ name: 'nats', check: async () => void (await nats.rtt()) });
    health.register({ name: 'postgres', check: async () => void (await data.query('SELECT 1')) });
    health.register({ name: 's3', check: (signal) => keys.checkBuckets(signal) });
    for (const [name, part] of Object.entries({ log: known, projection: projector })) {
      health.register({ name, check: () => (part.trouble ? Promise.reject(part.trouble) : Promise.resolve()) });
    }
    health.warn({ name: 'freshness', look: () => Promise.resolve(freshness.warning()) });
    noticeDamage(data, health, registry);
    const lifecycle = new Lifecycle(nats, data, known, projector, board, asks, commands, keys);
    void freshness.listen(jetstream(nats), jsm, lifecycle.stopping.signal);
    return lifecycle;
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.asks.close();
    await this.commands.close();
    this.board.close();
    await this.projector.stop();
    await this.known.close();
    this.keys.close();
    await this.data.destroy();
    await this.nats.drain();
  }
}
