import { appendFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeTree } from '@buckets/trees';
import { startStack, until, type Stack, type StackOptions } from '../../stack/src/index.js';
import { Api, type Operation, type Project } from './api.js';

export interface ProductOptions {
  /** What runs beside NATS, Postgres and S3; default everything. */
  services?: readonly string[];
  /** More settings for the services, given the folder in which everything is. */
  settings?: (dataDir: string) => Record<string, string>;
  /** What one service finds in its environment besides, asked at each of its starts. */
  environment?: StackOptions['environment'];
  /** What stands between the services and NATS, Postgres and S3. */
  between?: StackOptions['between'];
  /** Takes up what an earlier one has left; default a folder of its own. It is gone after the dispose. */
  dataDir?: string;
  foreignData?: StackOptions['foreignData'];
}

/** For who looks for a fault: a file that gets all that the processes print. */
const LOG_FILE = process.env['BUCKETS_TEST_LOG'];

export const EU = 'eu-1';
export const US = 'us-1';

/** The whole product in a folder of its own, on real parts. Dispose of it: nothing is left then. */
export class Product {
  readonly api: Api;
  /** All that its processes have printed. */
  readonly lines: { part: string; line: string }[] = [];

  private constructor(
    readonly stack: Stack,
    lines: Product['lines'],
  ) {
    this.lines = lines;
    this.api = new Api(
      () => stack.access.apiUrl,
      () => stack.access.adminToken,
    );
  }

  static async start({
    services,
    settings,
    environment,
    between,
    foreignData,
    ...at
  }: ProductOptions = {}): Promise<Product> {
    const dataDir = at.dataDir ?? (await mkdtemp(join(tmpdir(), 'buckets-test-')));
    const lines: Product['lines'] = [];
    const hear = (part: string, line: string) => {
      lines.push({ part, line });
      if (LOG_FILE !== undefined) appendFileSync(LOG_FILE, `${part} ${line}\n`);
    };
    try {
      const stack = await startStack({
        dataDir,
        ...(services === undefined ? {} : { services }),
        ...(settings === undefined ? {} : { settings: settings(dataDir) }),
        ...(environment === undefined ? {} : { environment }),
        ...(between === undefined ? {} : { between }),
        ...(foreignData === undefined ? {} : { foreignData }),
        log: { line: hear, note: hear },
      });
      return new Product(stack, lines);
    } catch (error) {
      if (at.dataDir === undefined) await removeTree(dataDir);
      throw error;
    }
  }

  get dataDir(): string {
    return this.stack.dataDir;
  }

  dataRoot(hostId: string): string {
    const host = this.stack.access.hosts.find((each) => each.hostId === hostId);
    if (host === undefined) throw new RangeError(`The product has no host ${hostId}.`);
    return host.dataRoot;
  }

  /** Where a project's two roots stand. */
  folder(projectId: string, hostId: string = EU): string {
    return join(this.dataRoot(hostId), projectId);
  }

  /** What is half done on a host: staged, about to be switched, run, or not claimed yet. */
  async leftOn(hostId: string = EU): Promise<string[]> {
    const places = ['staging', 'switch', 'endings', 'run', 'hooks', 'uploads'];
    const found = await Promise.all(
      places.map(async (place) => {
        const names = await readdir(join(this.dataRoot(hostId), '.buckets', place)).catch(
          (error: NodeJS.ErrnoException) => {
            if (error.code === 'ENOENT') return [];
            throw error;
          },
        );
        return names.map((name) => `${place}/${name}`);
      }),
    );
    return found.flat();
  }

  pid(service: string): number | null {
    return this.stack.access.services.find(({ name }) => name === service)?.pid ?? null;
  }

  /** Makes a project and waits for its folders. */
  async newProject(
    id: string,
    {
      hostId = EU,
      ...rest
    }: { hostId?: string; adopt?: boolean; backupIntervalMinutes?: number; retention?: object } = {},
  ): Promise<Project> {
    const { provisionOperationId } = await this.api.post<Project>('/v1/projects', { id, hostId, ...rest });
    const operation = await this.api.ended(provisionOperationId);
    if (operation.state !== 'succeeded') throw new Error(`No project: ${JSON.stringify(operation)}`);
    return this.api.project(id);
  }

  async backUp(projectId: string, body: object = {}): Promise<Operation> {
    return this.api.done(`/v1/projects/${projectId}/backups`, body);
  }

  async start(projectId: string, body: object = {}): Promise<Operation> {
    return this.api.done(`/v1/projects/${projectId}/start`, body);
  }

  async stop(projectId: string): Promise<Operation> {
    return this.api.done(`/v1/projects/${projectId}/stop`);
  }

  async restore(projectId: string, backupId: string): Promise<Operation> {
    return this.api.done(`/v1/projects/${projectId}/backups/${backupId}/restore`);
  }

  /** Ends everything. @throws Error when a process is left behind */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.stop();
    await until(async () => (await processesOf(this.dataDir)).length === 0, { what: 'the end of all processes' });
    await removeTree(this.dataDir);
  }
}

/** Processes whose arguments or environment name the folder, this one aside. */
export async function processesOf(folder: string): Promise<{ pid: number; command: string }[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const command = await textOf(`/proc/${pid}/cmdline`);
      const names = `${command}\0${await textOf(`/proc/${pid}/environ`)}`.includes(folder);
      return names ? [{ pid: Number(pid), command: command.replaceAll('\0', ' ') }] : [];
    }),
  );
  return found.flat();
}

/** Empty for a process that has ended, or is another user's. */
async function textOf(file: string): Promise<string> {
  return readFile(file, 'latin1').catch(() => '');
}
