import { join } from 'node:path';
import { CLONE, tool } from './clone.js';
import type { Infrastructure } from './infrastructure.js';
import type { FailingCheck, Part } from './processes/supervised.js';

/** What all the services of a stack have in common. */
export interface ServiceContext {
  readonly infrastructure: Infrastructure;
  /** Over those of this process's environment. */
  readonly settings: Readonly<Record<string, string>>;
  readonly environment?: EnvironmentOf;
}

/** What a service finds in its environment besides, over its settings; asked at each of its starts. */
export type EnvironmentOf = (service: string) => Readonly<Record<string, string>>;

export function apiService(context: ServiceContext, port: number): Part {
  const { infrastructure } = context;
  return ofStack(context, 'api', 'api', port, {
    BUCKETS_NATS_CREDS_FILE: infrastructure.controlCredentials.api,
    BUCKETS_POSTGRES_URL_FILE: infrastructure.postgresUrlFile,
    BUCKETS_PLATFORM_KEY_FILE: infrastructure.platformKeyFile,
    BUCKETS_ADMIN_TOKEN_FILE: infrastructure.adminTokenFile,
    BUCKETS_HOSTS_SIGNING_KEY_FILE: infrastructure.hostsSigningKeyFile,
    BUCKETS_HOSTS_ACCOUNT: infrastructure.hostsAccount,
  });
}

export function schedulerService(context: ServiceContext, port: number): Part {
  const { infrastructure } = context;
  return ofStack(context, 'scheduler', 'scheduler', port, {
    BUCKETS_NATS_CREDS_FILE: infrastructure.controlCredentials.scheduler,
    BUCKETS_POSTGRES_URL_FILE: infrastructure.postgresUrlFile,
  });
}

export function shareServerService(context: ServiceContext, port: number): Part {
  return ofStack(context, 'share-server', 'share-server', port, {
    BUCKETS_NATS_CREDS_FILE: context.infrastructure.controlCredentials['share-server'],
  });
}

export interface WorkerOptions {
  readonly hostId: string;
  readonly port: number;
  readonly dataRoot: string;
  readonly credentialsFile: string;
}

export function workerService(
  context: ServiceContext,
  { hostId, port, dataRoot, credentialsFile }: WorkerOptions,
): Part {
  return ofStack(context, workerOf(hostId), 'backup-worker', port, {
    BUCKETS_NATS_CREDS_FILE: credentialsFile,
    BUCKETS_HOST_ID: hostId,
    BUCKETS_DATA_ROOT: dataRoot,
    BUCKETS_RUSTIC_PATH: tool('rustic'),
  });
}

/** What the process is called that works for a host. */
export function workerOf(hostId: string): string {
  return `worker-${hostId}`;
}

function ofStack(
  { infrastructure, settings, environment }: ServiceContext,
  name: string,
  app: string,
  port: number,
  own: Readonly<Record<string, string>>,
): Part {
  const all = { ...settings, BUCKETS_NATS_URL: infrastructure.natsUrl, ...own };
  return service({ name, app, port, settings: all, ...(environment && { environment }) });
}

/**
 * A small young generation keeps a service's memory low (the API: 160 MB instead of 280 MB after 1,500 requests), at a
 * few per cent of its time. Source maps would take 50 MB more: the compiled lines are readable as they are.
 */
const NODE_FLAGS = ['--max-semi-space-size=4'];

const HEALTH_WITHIN_MS = 2_000;

export interface ServiceOptions {
  readonly name: string;
  /** The folder below apps/. */
  readonly app: string;
  readonly port: number;
  /** Over those of this process's environment. */
  readonly settings: Readonly<Record<string, string>>;
  readonly environment?: EnvironmentOf;
}

/** One of the product's own services. */
export function service({ name, app, port, settings, environment = () => ({}) }: ServiceOptions): Part {
  const health = () =>
    fetch(`http://127.0.0.1:${port}/health/ready`, { signal: AbortSignal.timeout(HEALTH_WITHIN_MS) });
  return {
    name,
    command: () =>
      Promise.resolve({
        file: join(CLONE, 'node_modules', '.bin', 'node'),
        args: [...NODE_FLAGS, join(CLONE, 'apps', app, 'dist', 'main.js')],
        cwd: CLONE,
        env: {
          ...inherited(),
          ...settings,
          ...environment(name),
          BUCKETS_HTTP_HOST: '127.0.0.1',
          BUCKETS_HTTP_PORT: String(port),
        },
      }),
    ready: async () => {
      const response = await health();
      await response.arrayBuffer();
      return response.ok;
    },
    failing: async () => failingIn((await (await health()).json()) as HealthAnswer),
    stopWith: 'SIGTERM',
    stopWithinMs: 25_000,
  };
}

interface HealthAnswer {
  readonly checks?: Readonly<Record<string, { status: string; reason?: string; needsOperator?: boolean }>>;
}

function failingIn({ checks = {} }: HealthAnswer): FailingCheck[] {
  return Object.entries(checks)
    .filter(([, { status }]) => status !== 'up')
    .map(([check, { reason = 'It is down.', needsOperator = false }]) => ({ check, reason, needsOperator }));
}

/** The caller's own settings of Buckets reach the services, and what any program needs; nothing else does. */
function inherited(): Record<string, string | undefined> {
  const general = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'TZ', 'USER'];
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => general.includes(name) || name.startsWith('BUCKETS_')),
  );
}
