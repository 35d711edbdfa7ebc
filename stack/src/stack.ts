import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { accessFileIn, type Access } from './access.js';
import { tool } from './clone.js';
import { ApiRefused, Fleet } from './fleet.js';
import { HOSTS, type LocalHost } from './places.js';
import { infrastructureIn, type Infrastructure, type ServerPorts } from './infrastructure.js';
import { choosePorts } from './ports.js';
import { keptText, privateFolder, writePrivately } from './private-files.js';
import { PartFailed, Supervised, type FailingCheck, type Part, type Said } from './processes/supervised.js';
import { createBuckets } from './s3/buckets.js';
import {
  apiService,
  schedulerService,
  shareServerService,
  workerOf,
  workerService,
  type EnvironmentOf,
  type ServiceContext,
} from './services.js';
import { choosePortsOf, keepPorts, type Ports } from './stack-ports.js';
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
  /** What one service finds in its environment besides, as in a test of what goes wrong with one host. */
  readonly environment?: EnvironmentOf;
  /** Told where NATS, Postgres and S3 listen, says where everybody else finds them: a proxy may stand between. */
  readonly between?: (listening: ServerPorts) => Promise<ServerPorts>;
  /** The operator's word that the buckets are to be used, whatever projects they hold that the API does not know. */
  readonly foreignData?: 'accept';
  /**
   * Stays up, with all that works without, where services wait for an operator: their log or vault is lost, or a host's
   * data root. Otherwise that is a failure.
   */
  readonly mayWait?: boolean;
  readonly log?: StackLog;
  /** Gives the start up. A stack that is up is stopped by `stop`. */
  readonly signal?: AbortSignal;
}

/** A service that does not do all of its work now, and why. */
export interface Unready {
  readonly service: string;
  readonly failing: readonly FailingCheck[];
}

export interface StackLog {
  /** A line of a process's own output. */
  readonly line?: (process: string, line: string) => void;
  /** Something about a process: that it has ended and is started again. */
  readonly note?: (process: string, note: string) => void;
}

const LOOK_EVERY_MS = 1_000;

/** Starts, where other programs take ports in between. */
const MAX_TRIES = 3;

/**
 * Starts a stack and resolves when all of it is ready, or waits for an operator where it may. It ends with this process,
 * however this process ends.
 *
 * @throws {AlreadyRunning} when another process runs one on the same folder
 * @throws {PartFailed} with its last output, when a process does not get ready; nothing is left running then
 * @throws {PortTaken}
 * @throws {ProjectsUnknown} when the buckets hold projects that the API does not know
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  for (let tries = 1; ; tries++) {
    try {
      return await startOnce(options);
    } catch (error) {
      if (!(error instanceof PartFailed && error.portWasTaken) || tries === MAX_TRIES) throw error;
      options.log?.note?.(error.part, 'found its port taken by then; starting all of it again on free ones');
    }
  }
}

async function startOnce(options: StackOptions): Promise<Stack> {
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
  readonly #hostIds = new Set<string>();
  readonly #said: Said;
  /** The end of the last write of what runs. */
  #written: Promise<void> = Promise.resolve();

  /** Only then is there an access.json: who finds one can use what it names. */
  #isUp = false;
  /** Whether the API has been told of regions, buckets and hosts. */
  #isFleetMade = false;
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
    const { adminToken, natsUrl, controlCredentials, postgresUrl, s3 } = this.#infrastructure;
    const ports = this.#ports;
    return {
      apiUrl: loopback(ports.api),
      webUrl: loopback(ports.api),
      shareUrl: loopback(ports['share-server']),
      adminToken,
      natsUrl,
      natsAdminCreds: controlCredentials.admin,
      postgresUrl,
      s3: {
        endpoint: s3.endpoint,
        region: s3.region,
        accessKeyId: s3.admin.accessKeyId,
        secretAccessKey: s3.admin.secretAccessKey,
        buckets: s3.buckets.map(({ bucket }) => bucket),
      },
      rusticPath: tool('rustic'),
      hosts: [...this.#hostIds].toSorted().map((hostId) => ({
        hostId,
        dataRoot: this.#dataRoot(hostId),
        pid: this.#services.get(workerOf(hostId))?.pid ?? null,
      })),
      services: this.#all().map(({ name, pid }) => ({ name, pid: pid ?? null })),
    };
  }

  /** @internal */
  async bringUp(): Promise<void> {
    const { services = ALL_SERVICES, mayWait } = this.options;
    await rm(this.#accessFile, { force: true }); // Left by one that was killed.
    this.#ports = await choosePortsOf(this.dataDir, this.options);
    const { infrastructure, parts } = await infrastructureIn(
      this.dataDir,
      this.#ports,
      await this.options.between?.(this.#ports),
    );
    this.#infrastructure = infrastructure;
    const [nats, postgres, s3] = parts.map((part) => this.#add(this.#infrastructureParts, part));
    const { api, scheduler, 'share-server': shareServer } = this.#ports;
    const start = async (name: string, part: (context: ServiceContext, port: number) => Part, port: number) => {
      if (services.includes(name)) await this.#startService(part(this.#context, port));
    };

    const buckets = s3!
      .start()
      .then(() => createBuckets(infrastructure.s3.endpoint, infrastructure.s3))
      .then(() => keepPorts(this.dataDir, this.#ports));
    const control = async () => {
      await allOrFirstFailure([nats!.start(), postgres!.start()]);
      await start('api', apiService, api);
      await allOrFirstFailure([
        start('scheduler', schedulerService, scheduler),
        start('share-server', shareServerService, shareServer),
        services.includes('api') ? buckets.then(() => this.#makeFleetIfItMay()) : undefined,
      ]);
    };
    await allOrFirstFailure([buckets, control()]);
    // Of what the log knows the API has learned only since it was ready.
    await allOrFirstFailure([...this.#services.values()].map((service) => service.settled({ mayWait })));
    this.#isUp = true;
    this.#writeDown();
    await this.#written;
  }

  /** The services that are not ready now. */
  async unready(): Promise<Unready[]> {
    const all = [...this.#services.values()].map(async (each) => ({
      service: each.name,
      failing: await each.failing(),
    }));
    return (await Promise.all(all)).filter(({ failing }) => failing.length > 0);
  }

  /**
   * Waits, for as long as it takes, until all services are ready, and makes then what could not be made before.
   *
   * @param told what they lack, whenever that is another thing
   * @throws the signal's reason; {ProjectsUnknown}
   */
  async whenReady(told: (unready: Unready[]) => void, signal: AbortSignal): Promise<void> {
    for (let before = ''; ; await delay(LOOK_EVERY_MS, undefined, { signal })) {
      const unready = await this.unready();
      if (unready.length === 0) {
        // Its tables may still be on their way.
        if (!this.#isFleetMade) await this.#makeFleet().catch(unlessUnavailable);
        if (this.#isFleetMade) return;
      }
      const now = JSON.stringify(unready);
      if (now !== before && unready.length > 0) told(unready);
      before = now;
    }
  }

  /** Brings up a worker for one more host in one of the regions; for a host that has one, nothing happens. */
  async addHost(host: LocalHost): Promise<void> {
    const { hostId } = host;
    if (this.#hostIds.has(hostId)) return;
    const fleet = this.#fleet();
    await fleet.addHost(host);
    await keptText(this.#credentialsFile(hostId), () => fleet.credentialsFor(hostId));
    await this.#startWorker(hostId);
  }

  async #startWorker(hostId: string): Promise<void> {
    const credentialsFile = this.#credentialsFile(hostId);
    const { port } = await choosePorts({ port: {} });
    const dataRoot = await privateFolder(this.#dataRoot(hostId));
    this.#hostIds.add(hostId);
    await this.#startService(workerService(this.#context, { hostId, port, dataRoot, credentialsFile }));
  }

  async #startService(part: Part): Promise<void> {
    const { mayWait } = this.options;
    await this.#add(this.#services, part).start({ mayWait });
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

  /** Once the buckets are there: a host that is made before would learn that no project is its own. */
  async #makeFleet(): Promise<void> {
    const { s3 } = this.#infrastructure;
    const fleet = this.#fleet();
    await fleet.addRegions();
    await fleet.addBuckets(s3.endpoint, s3.buckets, this.options.foreignData);
    await allOrFirstFailure(this.#hosts().map((host) => this.addHost(host)));
    this.#isFleetMade = true;
  }

  /** While the API waits for an operator, hosts that were made earlier work as far as they can. */
  async #makeFleetIfItMay(): Promise<void> {
    try {
      await this.#makeFleet();
    } catch (error) {
      unlessUnavailable(error);
      const { mayWait = false } = this.options;
      const failing = (await this.#services.get('api')?.failing()) ?? [];
      if (!mayWait || !failing.some(({ needsOperator }) => needsOperator)) throw error;
      const known = this.#hosts().filter(
        ({ hostId }) => !this.#hostIds.has(hostId) && existsSync(this.#credentialsFile(hostId)),
      );
      await allOrFirstFailure(known.map(({ hostId }) => this.#startWorker(hostId)));
    }
  }

  #hosts(): readonly LocalHost[] {
    const { services = ALL_SERVICES } = this.options;
    return HOSTS.filter(({ hostId }) => services.includes(workerOf(hostId)));
  }

  get #context(): ServiceContext {
    const { settings = {}, environment } = this.options;
    return { infrastructure: this.#infrastructure, settings, ...(environment && { environment }) };
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

  #credentialsFile(hostId: string): string {
    return join(this.dataDir, 'secrets', `host-${hostId}.creds`);
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

/** @throws the error, but for the API's word that it cannot at the moment */
function unlessUnavailable(error: unknown): void {
  if (!(error instanceof ApiRefused) || error.status !== 503) throw error;
}

function loopback(port: number): string {
  return `http://127.0.0.1:${port}`;
}

/** Waits until all have settled, so that nothing goes on behind the caller's back; then throws the first failure. */
async function allOrFirstFailure(promises: readonly (Promise<unknown> | undefined)[]): Promise<void> {
  let failed = false;
  let first: unknown;
  await Promise.all(
    promises.map((promise) =>
      Promise.resolve(promise).catch((error: unknown) => {
        if (!failed) first = error;
        failed = true;
      }),
    ),
  );
  if (failed) throw first;
}
