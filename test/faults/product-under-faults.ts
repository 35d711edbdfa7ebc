import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../stack/src/index.js';
import { Api } from '../running/api.js';
import { runOf, startCopy, type Copy } from '../running/copy.js';
import { processesOf, Product, US } from '../running/product.js';
import { FaultProxy } from './fault-proxy.js';
import { SERVERS, SERVICES, type Server, type Victim } from './plan.js';
import { SmallDisk } from './small-disk.js';

/** Much is short, so that what waits for hours elsewhere comes about while somebody looks. */
const SETTINGS = {
  BUCKETS_HOST_SILENCE_LIMIT: '5s',
  BUCKETS_HEARTBEAT: '1s',
  BUCKETS_SCHEDULE_TICK: '1s',
  BUCKETS_SCAN_INTERVAL: '20s',
  BUCKETS_STALL_LIMIT: '20s',
  BUCKETS_ATTEMPT_LIMIT: '2m',
  BUCKETS_LIMITS: '*.queue=60s,*.stall=20s,*.attempt=60s,*.whole=2m',
  BUCKETS_CANCEL_LIMIT: '10s',
  BUCKETS_ORPHAN_GRACE: '1m',
  BUCKETS_TRASH_KEEP: '1s',
};

const HEALED_WITHIN_MS = 90_000;

/** The whole product with two copies of the API, a proxy before each server, and a small disk under one host. */
export class ProductUnderFaults implements AsyncDisposable {
  private constructor(
    readonly product: Product,
    readonly proxies: Readonly<Record<Server, FaultProxy>>,
    private readonly secondApi: Copy,
    /** Undefined where nothing may be mounted. */
    readonly smallDisk: SmallDisk | undefined,
  ) {}

  static async start(): Promise<ProductUnderFaults> {
    const proxies: Partial<Record<Server, FaultProxy>> = {};
    let smallDisk: SmallDisk | undefined;
    try {
      const product = await Product.start({
        settings: (dataDir) => {
          smallDisk = SmallDisk.mount(join(dataDir, 'hosts', US));
          return SETTINGS;
        },
        between: async (listening) => {
          for (const server of SERVERS) proxies[server] = await FaultProxy.listen(listening[server]);
          const { nats, postgres, s3 } = proxies as Record<Server, FaultProxy>;
          return { nats: nats.port, postgres: postgres.port, s3: s3.port };
        },
      });
      const secondApi = await startCopy(product, 'second-api', await runOf(product, 'api'));
      return new ProductUnderFaults(product, proxies as Record<Server, FaultProxy>, secondApi, smallDisk);
    } catch (error) {
      await Promise.all(Object.values(proxies).map((proxy) => proxy[Symbol.asyncDispose]()));
      smallDisk?.[Symbol.dispose]();
      throw error;
    }
  }

  /** Both copies. */
  get apis(): Api[] {
    const { access } = this.product.stack;
    return [access.apiUrl, this.secondApi.url].map(
      (url) =>
        new Api(
          () => url,
          () => access.adminToken,
        ),
    );
  }

  /** The processes that a fault means; none while it is down. */
  async pidsOf(victim: Victim): Promise<number[]> {
    if (victim === 'rustic') return (await rusticIn(this.product.dataDir)).slice(0, 1);
    const pid = victim === 'second-api' ? this.secondApi.pid() : this.product.pid(victim);
    if (pid === undefined || pid === null) return [];
    return victim === 'postgres' ? familyOf(pid) : [pid];
  }

  /** Waits until every part says that it is ready, after all faults have ended. */
  async healed(): Promise<void> {
    for (const server of SERVERS) this.proxies[server].set({ mode: 'pass' });
    for (const service of SERVICES) {
      const ready = async () => {
        const url = service === 'second-api' ? this.secondApi.url : await this.#urlOf(service);
        return (await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(2_000) })).ok;
      };
      await until(ready, { what: `readiness of ${service}, with nothing wrong any more`, withinMs: HEALED_WITHIN_MS });
    }
  }

  /** Ends the second copy of the API. */
  async endSecondApi(): Promise<void> {
    await this.secondApi[Symbol.asyncDispose]();
  }

  /** @throws Error when a process is left behind */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.endSecondApi();
    await this.product.stack.stop();
    await Promise.all(Object.values(this.proxies).map((proxy) => proxy[Symbol.asyncDispose]()));
    this.smallDisk?.[Symbol.dispose]();
    await this.product[Symbol.asyncDispose]();
  }

  async #urlOf(service: string): Promise<string> {
    return `http://127.0.0.1:${(await runOf(this.product, service)).env['BUCKETS_HTTP_PORT']}`;
  }
}

export async function rusticIn(dataDir: string): Promise<number[]> {
  return (await processesOf(dataDir)).filter(({ command }) => /^\S*\/rustic /.test(command)).map(({ pid }) => pid);
}

/** A process with all that it has started. */
function familyOf(top: number): number[] {
  const parents = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => [Number(pid), parentOf(pid)]),
  );
  const isBelow = (pid: number): boolean => pid === top || (pid > 1 && isBelow(parents.get(pid) ?? 0));
  return [...parents.keys()].filter(isBelow);
}

function parentOf(pid: string): number {
  try {
    return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1]);
  } catch {
    return 0; // It has ended meanwhile.
  }
}
