import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { BackupRecorded, NewEvent } from '@buckets/contracts';
import { freePorts } from '@buckets/real-parts';
import { createLogger, startService, type RunningService } from '@buckets/service';
import { readSettings } from '@buckets/settings';
import pg from 'pg';
import { SchedulerModule, schedulerSettings } from '../../apps/scheduler/src/index.js';
import { hostCredentials, startStack, until, type Stack } from '../../stack/src/index.js';
import { ControlPlane } from './control-plane.js';
import { Worker } from './worker.js';

jest.setTimeout(120_000);

const SILENCE_LIMIT_MS = 4_000;
/** Much longer than anything takes, for machines that are busy. */
const WITHIN_MS = 30_000;

let dataDir: string;
let stack: Stack;
let plane: ControlPlane;
let worker: Worker;
let environment: Record<string, string>;
let scheduler: RunningService;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'buckets-scheduler-'));
  stack = await startStack({ dataDir, services: [] });
  const { infrastructure } = stack;
  const { natsUrl, controlCredentials, postgresUrlFile } = infrastructure;
  plane = await ControlPlane.start(natsUrl, controlCredentials.api);
  worker = await startWorker('eu-1');
  environment = {
    BUCKETS_NATS_URL: natsUrl,
    BUCKETS_NATS_CREDS_FILE: controlCredentials.scheduler,
    BUCKETS_POSTGRES_URL_FILE: postgresUrlFile,
    BUCKETS_HOST_SILENCE_LIMIT: `${SILENCE_LIMIT_MS}ms`,
    BUCKETS_SCHEDULE_TICK: '200ms',
    BUCKETS_LOG_LEVEL: 'error',
  };
  scheduler = await startScheduler();
});
afterAll(async () => {
  await scheduler?.stop();
  await worker?.stop();
  await plane?.stop();
  await stack?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

function startScheduler(): Promise<RunningService> {
  const settings = readSettings(schedulerSettings, environment);
  const log = createLogger('scheduler', { level: settings.logLevel });
  return startService({ settings, log, module: SchedulerModule.with(settings) });
}

async function startWorker(hostId: string): Promise<Worker> {
  const { natsUrl, hostsAccount, hostsSigningKeyFile } = stack.infrastructure;
  const seed = (await readFile(hostsSigningKeyFile, 'utf8')).trim();
  const credsFile = join(dataDir, `${hostId}.creds`);
  await writeFile(credsFile, await hostCredentials(seed, hostsAccount, hostId), { mode: 0o600 });
  return Worker.start(natsUrl, credsFile, hostId);
}

const soon = (look: () => unknown, what: string) => until(look, { what, withinMs: WITHIN_MS });

const newBackupId = () => randomBytes(32).toString('hex');
const operation = (operationId: string) => ({ operationId, hostId: 'eu-1' });

const event = (type: NewEvent<'project'>['type'], data: object) =>
  ({ thing: 'project', type, data }) as NewEvent<'project'>;

/** A project whose data are there, and that is reported on. */
async function newProject(projectId: string): Promise<void> {
  const created = {
    requestedBy: 'admin',
    ownerId: 'ada',
    regionId: 'eu-west',
    bucketId: 'eu-west',
    hostId: 'eu-1',
    generation: 1,
    backupIntervalMinutes: 60,
  };
  const provisioned = { operationId: 'p', generation: 1, by: 'created', roots: ['project', 'persist'] };
  await plane.append(projectId, event('created', created), event('provisioned', provisioned));
  worker.report(projectId, 'dawn', 0);
}

async function backUp(projectId: string, counter: { epoch: string; n: number }, more: Partial<BackupRecorded> = {}) {
  const operationId = `op-${randomBytes(6).toString('hex')}`;
  const backupId = newBackupId();
  const record = {
    backupId,
    ...operation(operationId),
    beganAt: new Date().toISOString(),
    endedAt: new Date().toISOString(),
    counter: { generation: 1, ...counter },
    consistency: { mode: 'live', movedWhileReading: false },
    partialBecause: [],
    unreadable: { total: 0, first: [] },
    ...{ files: 1, folders: 2, bytes: 3, bytesAdded: 3, bytesStored: 3, filesNew: 1, filesChanged: 0 },
    ...more,
  };
  await plane.append(
    projectId,
    event('backup-requested', { ...operation(operationId), generation: 1, params: {}, requestedBy: 'admin' }),
    event('backup-began', { ...operation(operationId), attempt: 1, attemptId: `${operationId}-1` }),
  );
  await plane.append(
    projectId,
    event('backup-recorded', record),
    event(record.partialBecause.length > 0 ? 'backup-partial' : 'backup-succeeded', { operationId, attempt: 1 }),
  );
  return backupId;
}

const stated = (projectId: string, ...expected: string[]) =>
  soon(() => plane.statedOf(projectId).join() === expected.join(), `${projectId} stated ${expected.join(', ')}`);
const lastStatement = (projectId: string) => plane.stated.findLast((each) => each.projectId === projectId)!.freshness;

describe('the scheduler states', () => {
  it('each transition of a project once', async () => {
    await newProject('atlas');
    const backupId = await backUp('atlas', { epoch: 'dawn', n: 0 });
    await stated('atlas', 'fresh');
    expect(lastStatement('atlas')).toMatchObject({ coveredBy: backupId });

    const firstChange = Date.now() - 5_000;
    worker.report('atlas', 'dawn', 1, { firstChanges: [{ epoch: 'dawn', n: 0, at: firstChange }] });
    await stated('atlas', 'fresh', 'stale');
    expect(lastStatement('atlas')).toMatchObject({
      staleSince: new Date(firstChange).toISOString(),
      reason: 'Changed since its newest backup began.',
    });

    worker.report('atlas', 'dawn', 2, { firstChanges: [{ epoch: 'dawn', n: 0, at: firstChange }] });
    await backUp('atlas', { epoch: 'dawn', n: 2 });
    await stated('atlas', 'fresh', 'stale', 'fresh');
  });

  it('a project stale that changed from outside after its backup began, and fresh when the next one has begun after', async () => {
    await newProject('outside');
    await backUp('outside', { epoch: 'dawn', n: 0 });
    await stated('outside', 'fresh');
    const at = new Date().toISOString();
    await plane.append('outside', event('changed', { source: 'agent-edit', at }));
    await stated('outside', 'fresh', 'stale');
    expect(lastStatement('outside')).toMatchObject({
      staleSince: at,
      reason: 'Changed by agent-edit since its newest backup began.',
    });
    await backUp('outside', { epoch: 'dawn', n: 0 });
    await stated('outside', 'fresh', 'stale', 'fresh');
  });

  it('a project less fresh when its backup is deleted', async () => {
    await newProject('deleted');
    const backupId = await backUp('deleted', { epoch: 'dawn', n: 0 });
    await stated('deleted', 'fresh');
    await plane.append('deleted', event('backup-deleted', { backupId, operationId: 'forget' }));
    await stated('deleted', 'fresh', 'never');
  });

  it('nothing on the word of a host that the project does not belong to', async () => {
    await newProject('elsewhere');
    await backUp('elsewhere', { epoch: 'dawn', n: 0 });
    await stated('elsewhere', 'fresh');
    const other = await startWorker('us-1');
    other.report('elsewhere', 'dawn', 9);
    // What is stated of the next project shows that the word of the other host was heard.
    await newProject('after-elsewhere');
    await backUp('after-elsewhere', { epoch: 'dawn', n: 0 });
    await stated('after-elsewhere', 'fresh');
    expect(plane.statedOf('elsewhere')).toEqual(['fresh']);
    await other.stop();
  });
});

describe('a host', () => {
  it('that falls silent leaves its projects unknown, until it is heard again', async () => {
    await newProject('silent');
    await backUp('silent', { epoch: 'dawn', n: 0 });
    await stated('silent', 'fresh');
    worker.fallSilent();
    await stated('silent', 'fresh', 'unknown');
    expect(lastStatement('silent').reason).toBe('Its host is silent.');
    worker.live();
    await stated('silent', 'fresh', 'unknown', 'fresh');
  });

  it('whose worker is another process is asked for its reports, as the old ones say nothing any more', async () => {
    await newProject('restarted');
    await backUp('restarted', { epoch: 'dawn', n: 0 });
    await stated('restarted', 'fresh');
    const asked = worker.asked;
    worker.restart('second');
    await stated('restarted', 'fresh', 'unknown');
    await soon(() => worker.asked > asked, 'asking the host for its reports');
    worker.report('restarted', 'noon', 0);
    await stated('restarted', 'fresh', 'unknown', 'stale');
    expect(lastStatement('restarted').reason).toMatch('no scan has shown yet');
    worker.report('restarted', 'noon', 0, { sameAs: [{ generation: 1, epoch: 'dawn', n: 0 }] });
    await stated('restarted', 'fresh', 'unknown', 'stale', 'fresh');
  });
});

it('a project that has been stale for its interval is backed up, once', async () => {
  await newProject('overdue');
  await backUp('overdue', { epoch: 'dawn', n: 0 });
  const twoHoursAgo = Date.now() - 2 * 3_600_000;
  worker.report('overdue', 'dawn', 1, { firstChanges: [{ epoch: 'dawn', n: 0, at: twoHoursAgo }] });
  const requests = () => plane.requested.filter(({ projectId }) => projectId === 'overdue');
  await soon(() => requests().length > 0, 'the request of a backup');
  await newProject('after-overdue');
  await backUp('after-overdue', { epoch: 'dawn', n: 0 });
  await stated('after-overdue', 'fresh');
  expect(requests()).toHaveLength(1);
});

describe('several copies and rebuilds', () => {
  it('do nothing twice: the copy that waits takes over when the other goes', async () => {
    const second = await startScheduler();
    await newProject('shared');
    await backUp('shared', { epoch: 'dawn', n: 0 });
    await stated('shared', 'fresh');
    const before = plane.stated.length;
    await scheduler.stop();
    scheduler = second;
    worker.report('shared', 'dawn', 1);
    await stated('shared', 'fresh', 'stale');
    expect(plane.stated.slice(before).map(({ projectId }) => projectId)).toEqual(['shared']);
  });

  it('make the same tables from the log, and send nothing', async () => {
    const before = await tables();
    const statements = plane.stated.length;
    await scheduler.stop();
    const rebuild = join(import.meta.dirname, '../../apps/scheduler/dist/rebuild.js');
    await promisify(execFile)(process.execPath, [rebuild], { env: { ...process.env, ...environment } });
    expect(await tables()).toEqual(before);
    expect(plane.stated).toHaveLength(statements);
    scheduler = await startScheduler();
  });

  it('make the same tables while a scheduler runs, which states nothing meanwhile', async () => {
    const before = await tables();
    const statements = plane.stated.length;
    const rebuild = join(import.meta.dirname, '../../apps/scheduler/dist/rebuild.js');
    await promisify(execFile)(process.execPath, [rebuild], { env: { ...process.env, ...environment } });
    expect(await tables()).toEqual(before);
    expect(plane.stated).toHaveLength(statements);
  });

  async function tables(): Promise<unknown[]> {
    const client = new pg.Client({ connectionString: stack.infrastructure.postgresUrl });
    await client.connect();
    try {
      const all: unknown[] = [];
      for (const table of ['project', 'backup', 'operation']) {
        const { rows } = await client.query(`SELECT to_jsonb(t) AS row FROM scheduler.${table} t ORDER BY id, 1`);
        all.push(rows);
      }
      return all;
    } finally {
      await client.end();
    }
  }
});

describe('what the scheduler stands on may go for a while', () => {
  it('NATS, with all that hosts have told', async () => {
    await newProject('survivor');
    await backUp('survivor', { epoch: 'dawn', n: 0 });
    await stated('survivor', 'fresh');
    await stack.restart('nats');
    await plane.provision();
    worker.report('survivor', 'dawn', 1);
    await soon(() => plane.statedOf('survivor').at(-1) === 'stale', 'stale after NATS came back');
  });

  it('Postgres, and with it the lock of the copy that leads', async () => {
    await stack.restart('postgres');
    worker.report('survivor', 'dawn', 2, { sameAs: [{ generation: 1, epoch: 'dawn', n: 0 }] });
    await soon(() => plane.statedOf('survivor').at(-1) === 'fresh', 'fresh after Postgres came back');
  });
});

it('the scheduler says how it is', async () => {
  const report = async () => (await fetch(`${scheduler.url}/health/ready`)).json();
  await soon(async () => ((await report()) as { status: string }).status === 'up', 'a ready scheduler');
  expect(await report()).toMatchObject({ checks: { nats: {}, postgres: {}, projection: {} } });
  const metrics = async () => (await fetch(`${scheduler.url}/metrics`)).text();
  await soon(async () => /buckets_projects\{freshness="fresh"\} [1-9]/.test(await metrics()), 'a fresh project');
  expect(await metrics()).toMatch(/buckets_scheduler_leads 1/);
});

it('a process of the scheduler takes less than 250 MB', async () => {
  const main = join(import.meta.dirname, '../../apps/scheduler/dist/main.js');
  const [port] = await freePorts(1);
  const env = { ...process.env, ...environment, BUCKETS_HTTP_PORT: String(port) };
  const child = spawn(process.execPath, [main], { env, stdio: 'ignore' });
  try {
    await soon(async () => (await fetch(`http://127.0.0.1:${port}/health/ready`)).ok, 'a ready scheduler');
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
    expect(Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024).toBeLessThan(250);
  } finally {
    child.kill();
    await once(child, 'exit');
  }
});
