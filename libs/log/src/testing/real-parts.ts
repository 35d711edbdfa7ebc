import { it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JetStreamManager } from '@nats-io/jetstream';
import { managerOf } from '@buckets/real-parts';
import type { NatsConnection } from '@nats-io/transport-node';
import { STREAM } from '@buckets/contracts';
import { DataSource } from 'typeorm';
import { infrastructureIn, type Infrastructure } from '../../../../stack/src/infrastructure.js';
import { Supervised } from '../../../../stack/src/processes/supervised.js';
import { choosePortsOf } from '../../../../stack/src/stack-ports.js';
import { connectToNats } from '../connection.js';
import { openDatabase, type DatabaseOptions } from '../open-database.js';
import { DEFAULT_LIMITS, provisionStreams, type StreamLimits } from '../streams.js';
import { again } from './again.js';
import { ClusterOfThree, oneServer, type NatsServers } from './nats-servers.js';

const silent = { line: () => undefined, note: () => undefined, changed: () => undefined };

/** What every test about the log is run on. */
export const SERVERS = [
  ['one server', 1],
  ['a cluster of three', 3],
] as const;

/** A test, or none where a cluster makes no difference, or takes too long. */
export function onOneServer(servers: 1 | 3): typeof it {
  const none = Object.assign(() => undefined, { each: () => () => undefined });
  return servers === 1 ? it : (none as unknown as typeof it);
}

/** NATS and, where wanted, a Postgres server of a test's own. */
export class RealParts {
  private readonly connections: NatsConnection[] = [];
  private readonly databases: DataSource[] = [];

  private constructor(
    private readonly folder: string,
    readonly infrastructure: Infrastructure,
    readonly nats: NatsServers,
    readonly postgres: Supervised,
  ) {}

  static async start(parts: readonly ('nats' | 'postgres')[], servers: 1 | 3 = 1): Promise<RealParts> {
    const folder = await mkdtemp(join(tmpdir(), 'buckets log '));
    const ports = await choosePortsOf(folder, {});
    const { infrastructure, parts: all } = await infrastructureIn(folder, ports);
    const [nats, postgres] = all.slice(0, 2).map((part) => new Supervised(part, silent)) as [Supervised, Supervised];
    const used = servers === 1 ? oneServer(nats, infrastructure.natsUrl) : new ClusterOfThree();
    const real = new RealParts(folder, infrastructure, used, postgres);
    try {
      await Promise.all(parts.map((name) => real[name].start()));
    } catch (error) {
      await real.stop();
      throw error;
    }
    return real;
  }

  /** Where the one server of NATS keeps its streams. */
  get natsData(): string {
    return join(this.folder, 'nats', 'jetstream');
  }

  async stop(): Promise<void> {
    await this.disconnect();
    await Promise.all([this.nats.stop(), this.postgres.stop()]);
    await rm(this.folder, { recursive: true });
  }

  /** Closes what tests have opened. */
  async disconnect(): Promise<void> {
    await Promise.allSettled(this.databases.splice(0).map((data) => data.destroy()));
    await Promise.allSettled(this.connections.splice(0).map((connection) => connection.close()));
  }

  async connect(options: { url?: string; user?: 'admin' | 'api' } = {}): Promise<NatsConnection> {
    const { url = this.nats.url, user = 'admin' } = options;
    const access = this.nats.replicas === 1 ? { credsFile: this.infrastructure.controlCredentials[user] } : {};
    const connection = await again(() => connectToNats({ url, ...access, name: 'test' }));
    this.connections.push(connection);
    return connection;
  }

  /** An empty log. */
  async freshLog(limits: Partial<StreamLimits> = {}): Promise<{ nats: NatsConnection; jsm: JetStreamManager }> {
    const nats = await this.connect();
    const jsm = await managerOf(nats);
    const present = await jsm.streams.names().next();
    await Promise.all(present.map((name) => jsm.streams.delete(name)));
    await provisionStreams(jsm, { ...DEFAULT_LIMITS, replicas: this.nats.replicas, ...limits });
    return { nats, jsm };
  }

  async lastPosition(jsm: JetStreamManager): Promise<number> {
    return (await jsm.streams.info(STREAM.log)).state.last_seq;
  }

  /** A process's connections to a database of that name, which is made if it is not there. */
  async database(name: string, options: Partial<DatabaseOptions> = {}): Promise<DataSource> {
    const admin = await new DataSource({ type: 'postgres', url: this.infrastructure.postgresUrl }).initialize();
    try {
      const known = await admin.query<object[]>('SELECT FROM pg_database WHERE datname = $1', [name]);
      if (known.length === 0) await admin.query(`CREATE DATABASE "${name}"`);
    } finally {
      await admin.destroy();
    }
    const data = await openDatabase({
      url: this.databaseUrl(name),
      name: 'test',
      connections: 8,
      migrationLock: 1,
      ...options,
    });
    this.databases.push(data);
    return data;
  }

  databaseUrl(name: string): string {
    const url = new URL(this.infrastructure.postgresUrl);
    url.pathname = name;
    return url.href;
  }
}
