import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { idFromKey, subjects, type BackupRecorded, type NewEvent } from '@buckets/contracts';
import { ask, connectToNats } from '@buckets/log';
import { freePorts } from '@buckets/real-parts';
import { createLogger, startService, type RunningService } from '@buckets/service';
import { readSettings, Secret } from '@buckets/settings';
import pg from 'pg';
import { HostCredentials } from '../../apps/api/src/hosts/host-credentials.js';
import {
  BackupRow,
  DueTables,
  DueWork,
  openSchedulerDatabase,
  SchedulerModule,
  schedulerSettings,
  type DueKind,
} from '../../apps/scheduler/src/index.js';
import { tidyings } from '../../apps/scheduler/src/work/tidyings.js';
import { startStack, until, type Stack } from '../../stack/src/index.js';
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
    BUCKETS_CANCEL_LIMIT: '2s',
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
  const credentials = new HostCredentials(new Secret(await readFile(hostsSigningKeyFile, 'utf8')), hostsAccount);
  const credsFile = join(dataDir, `${hostId}.creds`);
  await writeFile(credsFile, await credentials.issue(hostId), { mode: 0o600 });
  return Worker.start(natsUrl, credsFile, hostId);
}

const soon = (look: () => unknown, what: string) => until(look, { what, withinMs: WITHIN_MS });

const newBackupId = () => randomBytes(32).toString('hex');
const operation = (operationId: string) => ({ operationId, hostId: 'eu-1' });

const event = (type: NewEvent<'project'>['type'], data: object) =>
  ({ thing: 'project', type, data }) as NewEvent<'project'>;

/** What is due of a project, as the tables have it. */
async function due(
  data: Awaited<ReturnType<typeof openSchedulerDatabase>>,
  kind: DueKind,
  projectId: string,
): Promise<{ key: string; dueAt: number } | null> {
  const [row] = await data.query<{ key: string; due_at: Date }[]>(
    `SELECT key, due_at FROM scheduler.due WHERE kind = $1 AND thing_id = $2 AND due_at < 'infinity'`,
    [kind, projectId],
  );
  return row === undefined ? null : { key: row.key, dueAt: row.due_at.getTime() };
}

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

/** Has the log say that it was so at another time. */
async function asOf<R>(now: number, work: () => Promise<R>): Promise<R> {
  jest.useFakeTimers({ now, doNotFake: ALL_BUT_DATE });
  try {
    return await work();
  } finally {
    jest.useRealTimers();
  }
}

const ALL_BUT_DATE = [
  ...(['hrtime', 'nextTick', 'performance', 'queueMicrotask'] as const),
  ...(['setImmediate', 'clearImmediate', 'setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] as const),
];

const stated = (projectId: string, ...expected: string[]) =>
  soon(() => plane.statedOf(projectId).join() === expected.join(), `${projectId} stated ${expected.join(', ')}`);
const lastStatement = (projectId: string) => plane.stated.findLast((each) => each.projectId === projectId)!.freshness;

describe('the scheduler states', () => {
  it('each transition of a project once', async () => {
    await newProject('atlas');
    const backupId = await backUp('atlas', { epoch: 'dawn', n: 0 });
    await stated('atlas', 'fresh');
    expect(lastStatement('atlas')).toMatchObject({ coveredBy: backupId });

    const firstChange = Date.now();
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

  it('a project less fresh while a deletion may have removed its backup, until that is found', async () => {
    await newProject('doubtful');
    const backupId = await backUp('doubtful', { epoch: 'dawn', n: 0 });
    await stated('doubtful', 'fresh');
    const forget = { operationId: 'in-doubt' };
    await plane.append(
      'doubtful',
      event('forget-requested', {
        ...operation(forget.operationId),
        generation: 1,
        params: { backupId },
        requestedBy: 'admin',
      }),
      event('forget-began', { ...operation(forget.operationId), attempt: 1, attemptId: 'a' }),
      event('forget-expired', { ...forget, attempt: 1, code: 'whole-limit' }),
    );
    await stated('doubtful', 'fresh', 'stale');
    expect(lastStatement('doubtful').reason).toContain('being looked for');
    await plane.append('doubtful', event('backup-found', { backupId, operationId: 'look' }));
    await stated('doubtful', 'fresh', 'stale', 'fresh');
  });

  it('a project fresh once its small backup is accepted', async () => {
    await newProject('reduced');
    const backupId = await backUp('reduced', { epoch: 'dawn', n: 0 }, { partialBecause: ['shrunken'] });
    await stated('reduced', 'stale');
    await plane.append('reduced', event('backup-accepted', { backupId, because: 'stayed-small' }));
    await stated('reduced', 'stale', 'fresh');
    expect(lastStatement('reduced')).toMatchObject({ coveredBy: backupId });
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
  const hoursAgo = (hours: number): number => Date.now() - hours * 3_600_000;
  await asOf(hoursAgo(3), () => backUp('overdue', { epoch: 'dawn', n: 0 }));
  worker.report('overdue', 'dawn', 1, { firstChanges: [{ epoch: 'dawn', n: 0, at: hoursAgo(2) }] });
  const requests = () => plane.requested.filter(({ projectId }) => projectId === 'overdue');
  await soon(() => requests().length > 0, 'the request of a backup');
  await newProject('after-overdue');
  await backUp('after-overdue', { epoch: 'dawn', n: 0 });
  await stated('after-overdue', 'fresh');
  expect(requests()).toHaveLength(1);
});

describe('an operation', () => {
  const HOURS = 24 * 3600;
  const limits = { queueSeconds: HOURS, stallSeconds: HOURS, attemptSeconds: HOURS, wholeSeconds: HOURS };
  const request = (operationId: string, more: Partial<typeof limits>, hostId = 'eu-1') =>
    event('restore-requested', {
      ...operation(operationId),
      hostId,
      generation: 1,
      params: {},
      limits: { ...limits, ...more },
      requestedBy: 'admin',
    });
  const expired = (operationId: string) => plane.expired.filter((each) => each.operationId === operationId);
  const end = (operationId: string) => soon(() => expired(operationId).length > 0, `the end of ${operationId}`);

  it('that no host begins with is ended once its time is up, with since when its host is silent', async () => {
    await newProject('waiting');
    await plane.append('waiting', request('waits', { queueSeconds: 1 }, 'nowhere'));
    await plane.append('waiting', request('is-heard', { queueSeconds: 1 }));
    await Promise.all([end('waits'), end('is-heard')]);
    expect(expired('waits')).toEqual([
      {
        projectId: 'waiting',
        operationId: 'waits',
        code: 'queue-limit',
        detail: expect.stringMatching(/^Nothing has been heard of the host nowhere since 2\d{3}-.*Z\.$/),
      },
    ]);
    expect(expired('is-heard')).toEqual([{ projectId: 'waiting', operationId: 'is-heard', code: 'queue-limit' }]);
  });

  it('that has begun is ended when all its time is up, and not before', async () => {
    await newProject('slow');
    const [requested] = await plane.append('slow', request('is-slow', { queueSeconds: 1, wholeSeconds: 3 }));
    const began = { ...operation('is-slow'), attempt: 1, attemptId: 'a' };
    await plane.append('slow', event('restore-began', began));
    await end('is-slow');
    expect(expired('is-slow')).toEqual([{ projectId: 'slow', operationId: 'is-slow', code: 'whole-limit' }]);
    expect(Date.now() - Date.parse(requested!.time)).toBeGreaterThanOrEqual(3_000);
  });

  it('that was cancelled is ended when its host has not answered in time', async () => {
    await newProject('unanswered');
    await plane.append('unanswered', request('cancelled', {}));
    await plane.append('unanswered', event('restore-began', { ...operation('cancelled'), attempt: 1, attemptId: 'a' }));
    await plane.append(
      'unanswered',
      event('restore-cancel-requested', { operationId: 'cancelled', requestedBy: 'admin' }),
    );
    await end('cancelled');
    expect(expired('cancelled')).toEqual([
      { projectId: 'unanswered', operationId: 'cancelled', code: 'cancel-unanswered' },
    ]);
  });

  it('is ended once, though no scheduler ran when its time was up', async () => {
    await newProject('restarted-limits');
    const [requested] = await plane.append('restarted-limits', request('outlives', { queueSeconds: 5 }));
    await scheduler.stop();
    expect(expired('outlives')).toEqual([]);
    await soon(() => Date.now() > Date.parse(requested!.time) + 5_000, 'the end of its time');
    scheduler = await startScheduler();
    await end('outlives');
    await newProject('after-limits');
    await backUp('after-limits', { epoch: 'dawn', n: 0 });
    await stated('after-limits', 'fresh');
    expect(expired('outlives')).toHaveLength(1);
  });
});

it('a repository is tidied some time after a backup came to nothing, until that has succeeded', async () => {
  const GRACE_MS = 24 * 3_600_000;
  const later = Date.now() + GRACE_MS + 3 * 3_600_000;
  await newProject('orphaned');
  const failed = { operationId: 'came-to-nothing' };
  await plane.append(
    'orphaned',
    event('backup-requested', { ...operation(failed.operationId), generation: 1, params: {}, requestedBy: 'admin' }),
    event('backup-began', { ...operation(failed.operationId), attempt: 1, attemptId: 'a' }),
    event('backup-failed', failed),
  );
  const { postgresUrl, natsUrl, controlCredentials } = stack.infrastructure;
  await using resources = new AsyncDisposableStack();
  const data = resources.adopt(await openSchedulerDatabase({ url: postgresUrl, connections: 2 }), (each) =>
    each.destroy(),
  );
  const credsFile = controlCredentials.scheduler;
  const nats = resources.adopt(await connectToNats({ url: natsUrl, credsFile, name: 'test' }), (each) => each.close());
  const orphaned = async () => (await due(data, 'orphans', 'orphaned')) !== null;
  await soon(orphaned, 'the project with orphans');

  const [orphans] = tidyings((command) => ask(nats, subjects.command('request-tidy'), command), GRACE_MS);
  const work = new DueWork(orphans!, {
    tables: new DueTables(data),
    position: () => 0,
    reaches: () => Promise.resolve(true),
    endOfLog: () => Promise.resolve(0),
    log: createLogger('test', { level: 'fatal' }),
    ...{ tickMs: 1_000, atMost: 500 },
  });
  await work.round(Date.now() + GRACE_MS);
  expect(plane.tidied).toEqual([]);
  await work.round(later);
  expect(plane.tidied).toEqual([{ projectId: 'orphaned', key: expect.any(String), graceSeconds: GRACE_MS / 1000 }]);
  await soon(async () => !(await orphaned()), 'a tidying under way');

  const tidyId = idFromKey('operation', 'scheduler', plane.tidied[0]!.key);
  await plane.append('orphaned', event('tidy-failed', { operationId: tidyId }));
  await soon(orphaned, 'the project with orphans again');
  const again = { operationId: 'again', hostId: 'eu-1', generation: 1, requestedBy: 'admin' };
  await plane.append('orphaned', event('tidy-requested', { ...again, params: { remove: true, graceSeconds: 0 } }));
  await plane.append('orphaned', event('tidy-succeeded', { operationId: 'again' }));
  await soon(async () => !(await orphaned()), 'no orphans any more');
});

describe('a backup that a deletion may have removed', () => {
  it('is looked for a minute after, again when that was in vain, and counts for no retention meanwhile', async () => {
    const MINUTE = 60_000;
    await newProject('missing');
    await plane.append('missing', event('updated', { requestedBy: 'admin', retention: { last: 9 } }));
    const backups = [
      await backUp('missing', { epoch: 'dawn', n: 0 }),
      await backUp('missing', { epoch: 'dawn', n: 0 }),
    ];
    const params = { backupId: backups[1] };
    const [wanted] = await plane.append(
      'missing',
      event('forget-requested', { ...operation('removes'), generation: 1, params, requestedBy: 'admin' }),
      event('forget-began', { ...operation('removes'), attempt: 1, attemptId: 'a' }),
      event('forget-expired', { operationId: 'removes', attempt: 1, code: 'whole-limit' }),
    );
    const data = await openSchedulerDatabase({ url: stack.infrastructure.postgresUrl, connections: 2 });
    try {
      const doubtful = () => due(data, 'doubts', 'missing');
      await soon(async () => (await doubtful()) !== null, 'a project in doubt');
      expect((await doubtful())!.dueAt).toBeGreaterThanOrEqual(Date.parse(wanted!.time) + MINUTE);
      const ofProject = await data.getRepository(BackupRow).findBy({ project_id: 'missing' });
      expect(new Map(ofProject.map(({ id, in_doubt }) => [id, in_doubt]))).toEqual(
        new Map([
          [backups[0], false],
          [backups[1], true],
        ]),
      );
      await plane.append('missing', event('changed', { source: 'fs-api', at: new Date().toISOString() }));
      const backup = () => due(data, 'backup', 'missing');
      await soon(async () => (await backup()) !== null, 'a project without protection');
      expect((await backup())!.key.split('/')[1]).toBe(backups[0]);

      await plane.append(
        'missing',
        event('tidy-requested', {
          ...operation('look'),
          generation: 1,
          params: { remove: false },
          requestedBy: 'admin',
        }),
      );
      await soon(async () => (await doubtful()) === null, 'a look under way');
      const [failed] = await plane.append('missing', event('tidy-failed', { operationId: 'look' }));
      await soon(async () => (await doubtful()) !== null, 'doubt again');
      expect((await doubtful())!.dueAt).toBeGreaterThanOrEqual(Date.parse(failed!.time) + MINUTE);
      await plane.append('missing', event('backup-deleted', { backupId: backups[1]!, operationId: 'removes' }));
      await soon(async () => (await doubtful()) === null, 'no doubt any more');
      await soon(() => lastStatement('missing').reason.startsWith('Changed by fs-api'), 'the last word on it');
    } finally {
      await data.destroy();
    }
  });
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
    const [before, after] = await rebuilt({ stopped: true });
    expect(after).toEqual(before);
  });

  it('make the same tables while a scheduler runs, which states nothing meanwhile', async () => {
    const [before, after] = await rebuilt({ stopped: false });
    expect(after).toEqual(before);
  });

  /**
   * The tables before and after a rebuild during which the log stayed as it was: a project that turns stale by itself is
   * no fault, so it is done again when something was written.
   */
  async function rebuilt({ stopped }: { stopped: boolean }): Promise<[unknown[], unknown[]]> {
    const rebuild = join(import.meta.dirname, '../../apps/scheduler/dist/rebuild.js');
    for (let tries = 1; tries <= 5; tries++) {
      await soon(hasAll, 'tables that have all of the log');
      if (stopped) await scheduler.stop();
      const [end, isWhole, before] = [await plane.endOfLog(), await hasAll(), await tables()];
      await promisify(execFile)(process.execPath, [rebuild], { env: { ...process.env, ...environment } });
      const [after, endAfter] = [await tables(), await plane.endOfLog()];
      if (stopped) scheduler = await startScheduler();
      if (isWhole && endAfter === end) return [before, after];
    }
    throw new Error('each time something was written meanwhile');
  }

  async function hasAll(): Promise<boolean> {
    const [{ position }] = await queried<{ position: string }>('SELECT position FROM scheduler.projection_position');
    return Number(position) === (await plane.endOfLog());
  }

  async function tables(): Promise<unknown[]> {
    const all: unknown[] = [];
    for (const table of ['project', 'backup', 'operation']) {
      all.push(await queried(`SELECT to_jsonb(t) AS row FROM scheduler.${table} t ORDER BY id, 1`));
    }
    const counts = 'SELECT freshness, projects FROM scheduler.freshness_count WHERE projects > 0 ORDER BY 1';
    // What sleeps is there for its notes.
    const due = `SELECT thing_id, kind, subject, lane, key, due_at, held_until FROM scheduler.due
                  WHERE due_at < 'infinity' ORDER BY 1, 2, 3`;
    return [...all, await queried(counts), await queried(due)];
  }

  async function queried<Row>(query: string): Promise<[Row, ...Row[]]> {
    const client = new pg.Client({ connectionString: stack.infrastructure.postgresUrl });
    await client.connect();
    try {
      return (await client.query(query)).rows as [Row, ...Row[]];
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
  expect(await metrics()).toMatch(/buckets_due_overdue_seconds\{kind="backup"\} \d/);
  await plane.append(
    'survivor',
    event('backup-requested', {
      ...operation('too-late'),
      generation: 1,
      params: {},
      limits: { queueSeconds: 1, stallSeconds: 1, attemptSeconds: 1, wholeSeconds: 1 },
      requestedBy: 'admin',
    }),
  );
  const counted = /buckets_operations_expired_total\{code="queue-limit",outcome="ended"\} [1-9]/;
  await soon(async () => counted.test(await metrics()), 'an operation whose time was up');
});

it('a process of the scheduler takes less than 250 MB', async () => {
  const main = join(import.meta.dirname, '../../apps/scheduler/dist/main.js');
  const [port] = await freePorts(1);
  const env = { ...process.env, ...environment, BUCKETS_HTTP_PORT: String(port) };
  const child = spawn(process.execPath, [main], { env, stdio: 'ignore' });
  const ended = once(child, 'exit');
  try {
    await soon(async () => (await fetch(`http://127.0.0.1:${port}/health/ready`)).ok, 'a ready scheduler');
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
    expect(Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024).toBeLessThan(250);
  } finally {
    child.kill();
    await ended;
  }
});
