import { programWithWrongClock, wrongClock } from '@buckets/real-parts';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../../stack/src/index.js';
import { Api } from '../running/api.js';
import { runOf, startCopy, type Copy } from '../running/copy.js';
import { EU, processesOf, Product, US } from '../running/product.js';
import { FaultProxy } from './fault-proxy.js';
import { PROJECTS, SERVERS, SERVICES, type HostId, type Server, type Service, type Victim } from './plan.js';
import { SharedDisk } from './shared-disk.js';
import { SmallDisk } from './small-disk.js';
import { plantSecret } from './tenant.js';

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
const RESTARTED_WITHIN_MS = 60_000;
const READY_WITHIN_MS = 10_000;
/** Names the seconds by which the clock of a process is ahead. */
const CLOCK_AHEAD = 'CLOCK_AHEAD_SECONDS';

/** The whole product with two copies of the API, a proxy before each server, and a small disk under one host. */
export class ProductUnderFaults implements AsyncDisposable {
  /** For whoever touches the files of a host and is no part of the product. */
  readonly disks: Readonly<Record<HostId, SharedDisk>> = { [EU]: new SharedDisk(), [US]: new SharedDisk() };
  /** What was found in the place of a data root that was away: there is nothing to be. */
  readonly strays: string[] = [];

  private constructor(
    readonly product: Product,
    readonly proxies: Readonly<Record<Server, FaultProxy>>,
    private readonly secondApi: Copy,
    /** Undefined where nothing may be mounted. */
    readonly smallDisk: SmallDisk | undefined,
    /** What the services find in their environments besides, by their names. */
    private readonly environments: Map<string, Record<string, string>>,
  ) {}

  static async start(): Promise<ProductUnderFaults> {
    const proxies: Partial<Record<Server, FaultProxy>> = {};
    let smallDisk: SmallDisk | undefined;
    const environments = new Map<string, Record<string, string>>();
    try {
      const product = await Product.start({
        settings: (dataDir) => {
          smallDisk = SmallDisk.mount(join(dataDir, 'hosts', US));
          return SETTINGS;
        },
        environment: (service) => environments.get(service) ?? {},
        between: async (listening) => {
          for (const server of SERVERS) proxies[server] = await FaultProxy.listen(listening[server]);
          const { nats, postgres, s3 } = proxies as Record<Server, FaultProxy>;
          return { nats: nats.port, postgres: postgres.port, s3: s3.port };
        },
      });
      const secondApi = await startCopy(product, 'second-api', await runOf(product, 'api'));
      const all = proxies as Record<Server, FaultProxy>;
      const under = new ProductUnderFaults(product, all, secondApi, smallDisk, environments);
      for (const { hostId } of PROJECTS) await plantSecret(under.secretsOf(hostId), hostId);
      return under;
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

  /** A folder of a host's own that links of tenants lead to. */
  secretsOf(hostId: HostId): string {
    return join(this.product.dataRoot(hostId), '.buckets', 'planted');
  }

  /**
   * Ends the worker of a host until it lives with such a clock, rustic included; with the right one, when none is given.
   * @returns false without a C compiler
   */
  async setClock(hostId: HostId, aheadSeconds?: number): Promise<boolean> {
    const service: Service = `worker-${hostId}`;
    const environment = await this.#clock(aheadSeconds);
    if (environment === undefined) return false;
    this.environments.set(service, environment);
    const isSet = async () => {
      const pid = this.product.pid(service);
      if (pid === null) return false;
      const { env } = await runOf(this.product, service);
      if (env[CLOCK_AHEAD] === environment[CLOCK_AHEAD]) return true;
      // What was read is of this process: by now there may be another one.
      if (this.product.pid(service) === pid) process.kill(pid, 'SIGKILL');
      return false;
    };
    await until(isSet, { what: `${service} with another clock`, withinMs: RESTARTED_WITHIN_MS, everyMs: 100 });
    // Only then does it do something by that clock; it may wait for a server that is away.
    await until(() => this.#isReady(service), { withinMs: READY_WITHIN_MS }).catch(() => undefined);
    return true;
  }

  /** An empty folder stands in the place of a host's data root for so long. */
  async takeDataRootAway(hostId: HostId, forMs: number): Promise<void> {
    const root = this.product.dataRoot(hostId);
    await this.disks[hostId].whileAway(async () => {
      if (hostId === US && this.smallDisk !== undefined) {
        const uncover = this.smallDisk.cover();
        await pause(forMs);
        await this.#noteStrays(root);
        uncover();
        return;
      }
      await rename(root, `${root}-away`);
      await mkdir(root, { mode: 0o700 });
      await pause(forMs);
      // Whoever writes there at this very moment puts something in the way.
      const isBack = async () => {
        await rename(root, `${root}-stood-in`).catch(() => undefined);
        await this.#noteStrays(`${root}-stood-in`);
        await rm(`${root}-stood-in`, { recursive: true, force: true });
        await rename(`${root}-away`, root);
        return true;
      };
      await until(isBack, { what: `the data root of ${hostId}` });
    });
  }

  async #noteStrays(folder: string): Promise<void> {
    const names = await readdir(folder, { recursive: true }).catch(() => []);
    this.strays.push(...names.map((name) => `${folder}: ${name}`));
  }

  async #clock(aheadSeconds?: number): Promise<Record<string, string> | undefined> {
    if (aheadSeconds === undefined) return {};
    const folder = join(this.product.dataDir, 'clocks');
    await mkdir(folder, { recursive: true });
    const clock = await wrongClock(folder, { aheadSeconds });
    const rustic = await programWithWrongClock(folder, this.product.stack.access.rusticPath, { aheadSeconds });
    return rustic === undefined ? undefined : { ...clock, BUCKETS_RUSTIC_PATH: rustic };
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
      await until(() => this.#isReady(service), {
        what: `readiness of ${service}, with nothing wrong any more`,
        withinMs: HEALED_WITHIN_MS,
      });
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

  async #isReady(service: Service): Promise<boolean> {
    const url = service === 'second-api' ? this.secondApi.url : await this.#urlOf(service);
    return (await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(2_000) })).ok;
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
