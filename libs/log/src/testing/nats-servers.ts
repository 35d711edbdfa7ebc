import { jetstreamManager } from '@nats-io/jetstream';
import { STREAM } from '@buckets/contracts';
import { startNatsCluster, type NatsCluster } from '@buckets/real-parts';
import type { Supervised } from '../../../../stack/src/processes/supervised.js';
import { until } from '@buckets/patience';
import { connectToNats } from '../connection.js';

/** What tests are run on: one server, or a cluster. */
export interface NatsServers {
  /** For a client; of a cluster, all addresses. */
  readonly url: string;
  /** Of one of the servers. */
  readonly port: number;
  /** Copies of each stream. */
  readonly replicas: number;
  /** Starts what does not run, and resolves when all is well. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Ends the server at once; of a cluster, the one that leads the log. */
  kill(): Promise<void>;
  killAll(): Promise<void>;
}

export function oneServer(server: Supervised, url: string): NatsServers {
  const kill = () => server.kill('SIGKILL');
  return {
    ...{ url, port: Number(new URL(url).port), replicas: 1 },
    ...{ start: () => server.start(), stop: () => server.stop(), kill, killAll: kill },
  };
}

/** Three servers that flush each message share a busy disk. */
const HEALTHY_WITHIN_MS = 60_000;

export class ClusterOfThree implements NatsServers {
  readonly replicas = 3;
  private started: NatsCluster | undefined;

  get url(): string {
    return this.cluster.url;
  }

  get port(): number {
    return [...this.cluster.nodes.values()][0]!;
  }

  async start(): Promise<void> {
    if (this.started === undefined) {
      this.started = await startNatsCluster();
      return;
    }
    await this.started.start();
    await until(() => this.isHealthy(), { withinMs: HEALTHY_WITHIN_MS, what: 'a log that all three servers have' });
  }

  async stop(): Promise<void> {
    await this.started?.[Symbol.asyncDispose]();
    this.started = undefined;
  }

  async kill(): Promise<void> {
    const { leader } = await this.ofLog();
    if (leader === undefined) throw new Error('Nobody leads the log.');
    await this.cluster.kill(leader);
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.cluster.nodes.keys()].map((node) => this.cluster.kill(node)));
  }

  private async isHealthy(): Promise<boolean> {
    const { leader, replicas = [] } = await this.ofLog();
    return leader !== undefined && replicas.length === 2 && replicas.every(({ current }) => current);
  }

  private async ofLog() {
    const nats = await connectToNats({ url: this.url, name: 'test', connectTimeoutMs: 2_000 });
    try {
      const { cluster } = await (await jetstreamManager(nats, { timeout: 2_000 })).streams.info(STREAM.log);
      return cluster ?? {};
    } finally {
      await nats.close();
    }
  }

  private get cluster(): NatsCluster {
    if (this.started === undefined) throw new Error('The cluster has not been started.');
    return this.started;
  }
}
