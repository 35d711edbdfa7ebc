import 'reflect-metadata';
import { readFile } from 'node:fs/promises';
import type { JetStreamManager } from '@nats-io/jetstream';
import { managerOf } from '@buckets/real-parts';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Type } from '@nestjs/common';
import type { MicroserviceOptions } from '@nestjs/microservices';
import type { EventThing, LoggedEvent, NewEvent } from '@buckets/contracts';
import { Log, Projector } from '@buckets/log';
import { createLogger, mountOpenApi, startService, type RunningService } from '@buckets/service';
import { readSettings } from '@buckets/settings';
import { DataSource } from 'typeorm';
import { RealParts } from '../../../../libs/log/src/testing/real-parts.js';
import { ApiModule } from '../api.module.js';
import { claimsServer } from '../claims/claims-server.js';
import { isRaw } from '../live-files/read-body.js';
import { problemOf } from '../problems/problem-of.js';
import { apiSettings } from '../settings.js';

export interface Answer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

/** The API on a NATS and a Postgres of its own, in this process. There is no S3. */
export class RunningApi {
  private constructor(
    readonly parts: RealParts,
    private readonly service: RunningService,
    readonly adminToken: string,
    readonly log: Log,
    readonly nats: NatsConnection,
    readonly jsm: JetStreamManager,
  ) {}

  /** @param more settings beside those of the parts, as in the environment */
  static async start(more: Record<string, string> = {}): Promise<RunningApi> {
    const parts = await RealParts.start(['nats', 'postgres']);
    try {
      const { infrastructure } = parts;
      const settings = readSettings(apiSettings, {
        BUCKETS_NATS_URL: infrastructure.natsUrl,
        BUCKETS_NATS_CREDS_FILE: infrastructure.controlCredentials.api,
        BUCKETS_POSTGRES_URL: infrastructure.postgresUrl,
        BUCKETS_PLATFORM_KEY: await readFile(infrastructure.platformKeyFile, 'utf8'),
        BUCKETS_ADMIN_TOKEN: infrastructure.adminToken,
        BUCKETS_HOSTS_SIGNING_KEY: await readFile(infrastructure.hostsSigningKeyFile, 'utf8'),
        BUCKETS_HOSTS_ACCOUNT: infrastructure.hostsAccount,
        ...more,
      });
      const log = createLogger('api', { level: 'fatal' });
      const service = await startService({
        ...{ settings, log, module: ApiModule.with(settings), translate: problemOf, bodies: { isRaw } },
        prepare: async (app) => {
          await mountOpenApi(app, { title: 'Buckets', version: '1', description: 'On trial' });
          app.connectMicroservice<MicroserviceOptions>({ strategy: claimsServer(app) });
        },
      });
      const nats = await parts.connect({ user: 'api' });
      const jsm = await managerOf(nats);
      return new RunningApi(parts, service, infrastructure.adminToken, new Log(nats, jsm, 'buckets/api'), nats, jsm);
    } catch (error) {
      await parts.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.service.stop();
    await this.parts.stop();
  }

  get url(): string {
    return this.service.url;
  }

  get data(): DataSource {
    return this.service.app.get(DataSource);
  }

  part<T>(type: Type<T> | symbol): T {
    return this.service.app.get(type);
  }

  get projector(): Projector {
    return this.service.app.get(Projector);
  }

  async call(
    method: string,
    path: string,
    {
      body,
      headers = {},
      token = this.adminToken,
    }: { body?: unknown; headers?: Record<string, string>; token?: string | null } = {},
  ): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>,
    };
  }

  /** Appends facts as the API itself would, and waits until the tables have them. */
  async given<T extends EventThing>(id: string, events: readonly NewEvent<T>[], expected = 0): Promise<LoggedEvent[]> {
    const logged = await this.log.append({
      thing: events[0]!.thing,
      id,
      expected,
      events: events as unknown as NewEvent[],
    });
    await this.projector.waitFor(logged.at(-1)!.position, 30_000);
    return logged;
  }
}
