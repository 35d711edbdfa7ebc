import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { accessFileIn, type Access } from './access.js';
import { tool } from './clone.js';
import { Fleet, HOSTS, REGIONS, type LocalHost } from './fleet.js';
import { createBuckets, infrastructureIn, type Infrastructure } from './infrastructure.js';
import { choosePorts } from './ports.js';
import { keptText, privateFolder, writePrivately } from './private-files.js';
import { Supervised, type Part, type Said } from './processes/supervised.js';
import { service } from './services.js';
import { choosePortsOf, type Ports } from './stack-ports.js';
import { SupervisorRecord } from './supervisor-record.js';

/** The services of a whole stack; a worker is called `worker-<hostId>`. */
export const ALL_SERVICES: readonly string[] = [
  'api',
  'scheduler',
  'share-server',
  ...HOSTS.map(({ hostId }) => workerOf(hostId)),
];

export interface StackOptions {
  /** Where everything is kept. A stack takes up what an earlier one has left there. */
  readonly dataDir: string;
  /** Ports that must be these; others are free ones. */
  readonly ports?: Partial<Ports>;
  /** Takes the ports that such servers usually have, where they are free. */
  readonly usualPorts?: boolean;
  /** What is started beside NATS, Postgres and S3; default all. `[]` for none. */
  readonly services?: readonly string[];
  /** More settings for the services, over those of this process's environment. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly log?: StackLog;
  /** Gives the start up. A stack that is up is stopped by `stop`. */
  readonly signal?: AbortSignal;
}

export interface StackLog {
  /** A line of a process's own output. */
  readonly line?: (process: string, line: string) => void;
  /** Something about a process: that it has ended and is started again. */
  readonly note?: (process: string, note: string) => void;
}

/**
 * Starts a stack and resolves when all of it is ready. It ends with this process, however this process ends.
 *
 * @throws {AlreadyRunning} when another process runs one on the same folder
 * @throws {PartFailed} with its last output, when a process does not get ready; nothing is left running then
 * @throws {PortTaken}
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const dataDir = resolve(options.dataDir);
  await mkdir(dataDir, { recursive: true });
  const record = await SupervisorRecord.claim(dataDir);
  const stack = new Stack({ ...options, dataDir }, record);
  const giveUp = () => void stack.stopProcesses();
  options.signal?.addEventListener('abort', giveUp);
  try {
    await stack.bringUp();
    options.signal?.throwIfAborted();
    return stack;
  } catch (error) {
    await stack.stop();
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', giveUp);
  }
}

/** A running stack. */
export class Stack {
  readonly #services = new Map<string, Supervised>();
  readonly #infrastructureParts = new Map<string, Supervised>();
  readonly #hosts = new Map<string, LocalHost>();
  readonly #said: Said;
  /** The end of the last write of what runs. */
  #written: Promise<void> = Promise.resolve();

  /** Only then is there an access.json: who finds one can use what it names. */
  #isUp = false;
  #ports!: Ports;
  #infrastructure!: Infrastructure;

  /** @internal Use `startStack`. */
  constructor(
    private readonly options: StackOptions,
    private readonly record: SupervisorRecord,
  ) {
    this.#said = {
      line: (part, line) => options.log?.line?.(part, line),
      note: (part, note) => options.log?.note?.(part, note),
      changed: () => this.#writeDown(),
    };
  }

  get dataDir(): string {
    return this.options.dataDir;
  }

  /** Addresses and secrets of NATS, Postgres and S3, for what runs beside the services. */
  get infrastructure(): Infrastructure {
    return this.#infrastructure;
  }

  /** How to reach everything, with the process numbers of this moment. Also in `.data/access.json`. */
  get access(): Access {
    const infrastructure = this.#infrastructure;
    const ports = this.#ports;
    const { accessKeyId, secretAccessKey } = infrastructure.s3.admin;
    return {
      apiUrl: loopback(ports.api),
      webUrl: loopback(ports.api),
      shareUrl: loopback(ports['share-server']),
      adminToken: infrastructure.adminToken,
      natsUrl: infrastructure.natsUrl,
      natsAdminCreds: infrastructure.controlCredentials.admin,
      postgresUrl: infrastructure.postgresUrl,
      s3: {
        endpoint: infrastructure.s3.endpoint,
        region: infrastructure.s3.region,
        accessKeyId,
        secretAccessKey,
        buckets: infrastructure.s3.buckets.map(({ bucket }) => bucket),
      },
      rusticPath: tool('rustic'),
      hosts: [...this.#hosts.keys()].map((hostId) => ({
        hostId,
        dataRoot: this.#dataRoot(hostId),
        pid: this.#services.get(workerOf(hostId))?.pid ?? null,
      })),
      services: this.#all().map(({ name, pid }) => ({ name, pid: pid ?? null })),
    };
  }

  /** @internal */
  async bringUp(): Promise<void> {
    const { services = ALL_SERVICES } = this.options;
    await rm(this.#accessFile, { force: true }); // Left by one that was killed.
    this.#ports = await choosePortsOf(this.dataDir, this.options);
    const { infrastructure, parts } = await infrastructureIn(this.dataDir, this.#ports);
    this.#infrastructure = infrastructure;
    const [nats, postgres, s3] = parts.map((part) => this.#add(this.#infrastructureParts, part));
    const hosts = HOSTS.filter(({ hostId }) => services.includes(workerOf(hostId)));
    const buckets = s3!.start().then(() => createBuckets(this.#infrastructure.s3));
    const wants = (name: string, part: () => Part) =>
      services.includes(name) ? this.#add(this.#services, part()).start() : Promise.resolve();

    await allOrFirstFailure([
      buckets,
      (async () => {
        await allOrFirstFailure([nats!.start(), postgres!.start()]);
        await wants('api', () => this.#api());
        await allOrFirstFailure([
          wants('scheduler', () => this.#scheduler()),
          wants('share-server', () => this.#shareServer()),
          services.includes('api') ? this.#makeFleet(hosts, buckets) : Promise.resolve(),
        ]);
      })(),
    ]);
    this.#isUp = true;
    this.#writeDown();
    await this.#written;
  }

  /** Brings up a worker for one more host in one of the regions; for a host that has one, nothing happens. */
  async addHost(host: LocalHost): Promise<void> {
    const fleet = this.#fleet();
    await fleet.addHost(host);
    const credentials = join(this.dataDir, 'secrets', `host-${host.hostId}.creds`);
    await keptText(credentials, () => fleet.credentialsFor(host.hostId));
    await this.#startWorker(host, credentials);
  }

  /** Stops everything and lets go of the folder. */
  async stop(): Promise<void> {
    this.#isUp = false;
    await this.stopProcesses();
    await this.#written;
    await rm(this.#accessFile, { force: true });
    this.record.release();
  }

  /** @internal Stops the services, then what they stand on. */
  async stopProcesses(): Promise<void> {
    await Promise.all([...this.#services.values()].map((process) => process.stop()));
    await Promise.all([...this.#infrastructureParts.values()].map((process) => process.stop()));
  }

  /** Ends one process with a signal; it stays down until `restart`. */
  async kill(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.#named(name).kill(signal);
    await this.#written;
  }

  /** Starts one process, stopping it first when it runs, and resolves when it is ready. */
  async restart(name: string): Promise<void> {
    const process = this.#named(name);
    await process.stop();
    await process.start();
    await this.#written;
  }

  /** Stops one process in its tracks (SIGSTOP), as on a machine that hangs, until `resume`. */
  pause(name: string): void {
    this.#named(name).freeze();
  }

  resume(name: string): void {
    this.#named(name).thaw();
  }

  async #makeFleet(hosts: readonly LocalHost[], buckets: Promise<void>): Promise<void> {
    const fleet = this.#fleet();
    await Promise.all(REGIONS.map((region) => fleet.addRegion(region)));
    const { s3 } = this.#infrastructure;
    const bucketsKnown = buckets.then(() =>
      Promise.all(
        s3.buckets.map(({ regionId, bucket, accessKeyId, secretAccessKey }) =>
          fleet.addBucket({
            id: regionId,
            regionId,
            endpoint: s3.endpoint,
            s3Region: s3.region,
            bucket,
            accessKeyId,
            secretAccessKey,
          }),
        ),
      ),
    );
    await allOrFirstFailure([bucketsKnown, ...hosts.map((host) => this.addHost(host))]);
  }

  #api(): Part {
    const infrastructure = this.#infrastructure;
    return this.#service('api', 'api', this.#ports.api, {
      BUCKETS_NATS_CREDS_FILE: infrastructure.controlCredentials.api,
      BUCKETS_POSTGRES_URL_FILE: infrastructure.postgresUrlFile,
      BUCKETS_PLATFORM_KEY_FILE: infrastructure.platformKeyFile,
      BUCKETS_ADMIN_TOKEN_FILE: infrastructure.adminTokenFile,
      BUCKETS_HOSTS_SIGNING_KEY_FILE: infrastructure.hostsSigningKeyFile,
      BUCKETS_HOSTS_ACCOUNT: infrastructure.hostsAccount,
    });
  }

  #scheduler(): Part {
    return this.#service('scheduler', 'scheduler', this.#ports.scheduler, {
      BUCKETS_NATS_CREDS_FILE: this.#infrastructure.controlCredentials.scheduler,
      BUCKETS_POSTGRES_URL_FILE: this.#infrastructure.postgresUrlFile,
    });
  }

  #shareServer(): Part {
    return this.#service('share-server', 'share-server', this.#ports['share-server'], {
      BUCKETS_NATS_CREDS_FILE: this.#infrastructure.controlCredentials['share-server'],
    });
  }

  async #startWorker(host: LocalHost, credentials: string): Promise<void> {
    const { hostId } = host;
    const name = workerOf(hostId);
    if (this.#services.has(name)) return;
    this.#hosts.set(hostId, host);
    const { port } = await choosePorts({ port: {} });
    const dataRoot = await privateFolder(this.#dataRoot(hostId));
    const part = this.#service(name, 'backup-worker', port, {
      BUCKETS_NATS_CREDS_FILE: credentials,
      BUCKETS_HOST_ID: hostId,
      BUCKETS_DATA_ROOT: dataRoot,
      BUCKETS_RUSTIC_PATH: tool('rustic'),
    });
    await this.#add(this.#services, part).start();
  }

  #service(name: string, app: string, port: number, settings: Readonly<Record<string, string>>): Part {
    const common = { BUCKETS_NATS_URL: this.#infrastructure.natsUrl };
    return service({ name, app, port, settings: { ...this.options.settings, ...common, ...settings } });
  }

  #add(to: Map<string, Supervised>, part: Part): Supervised {
    const process = new Supervised(part, this.#said);
    to.set(part.name, process);
    return process;
  }

  #named(name: string): Supervised {
    const process = this.#services.get(name) ?? this.#infrastructureParts.get(name);
    if (process === undefined) {
      const known = this.#all().map((each) => each.name);
      throw new RangeError(`No process is called ${name}: there are ${known.join(', ')}.`);
    }
    return process;
  }

  #all(): Supervised[] {
    return [...this.#infrastructureParts.values(), ...this.#services.values()];
  }

  #fleet(): Fleet {
    return new Fleet(loopback(this.#ports.api), this.#infrastructure.adminToken);
  }

  get #accessFile(): string {
    return accessFileIn(this.dataDir);
  }

  #dataRoot(hostId: string): string {
    return join(this.dataDir, 'hosts', hostId);
  }

  #writeDown(): void {
    this.#written = this.#written
      .then(async () => {
        await this.record.write(this.#all().flatMap(({ pid }) => pid ?? []));
        if (this.#isUp) await writePrivately(this.#accessFile, `${JSON.stringify(this.access, null, 2)}\n`);
      })
      .catch((error: unknown) =>
        this.#said.note('stack', `could not write down what runs: ${(error as Error).message}`),
      );
  }
}

function workerOf(hostId: string): string {
  return `worker-${hostId}`;
}

function loopback(port: number): string {
  return `http://127.0.0.1:${port}`;
}

/** Waits until all have settled, so that nothing goes on behind the caller's back; then throws the first failure. */
async function allOrFirstFailure(promises: readonly Promise<unknown>[]): Promise<void> {
  let failed = false;
  let first: unknown;
  await Promise.all(
    promises.map((promise) =>
      promise.catch((error: unknown) => {
        if (!failed) first = error;
        failed = true;
      }),
    ),
  );
  if (failed) throw first;
}
