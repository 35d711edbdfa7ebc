import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import {
  DEFAULT_LIMITS as OPERATION_LIMITS,
  STREAM,
  type NewEvent,
  type NewIntent,
  type ProjectEvents,
} from '@buckets/contracts';
import { connectToNats, Log, provisionStreams } from '@buckets/log';
import { startStack, type Stack } from '@buckets/stack';
import { execa } from 'execa';

export interface Replayed {
  messages: number;
  events: number;
  seconds: number;
  eventsPerSecond: number;
}

const PROJECTS_AT_ONCE = 64;
const BACKUPS_OF_EACH = 20;
const HOST = { hostId: 'host-1', generation: 1 };
const AT = '2031-02-03T04:05:06.789Z';

/** `npm run bench -- replay [events]`: how fast the API's tables are made from a log. */
export async function benchReplay([events = '50000']: string[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'buckets-bench-'));
  const stack = await startStack({ dataDir: folder, services: [] });
  try {
    const replayed = await measureReplay(stack, Number(events));
    const goal = replayed.eventsPerSecond >= 10_000 ? 'met' : 'NOT MET';
    console.log(`\nThe API's tables, made anew from ${replayed.messages} messages (${replayed.events} events)`);
    console.log(`  ${replayed.seconds.toFixed(2)} s, ${replayed.eventsPerSecond} events a second; goal 10000: ${goal}`);
  } finally {
    await stack.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Fills the log of a stack with the histories of projects, each with its backups, and has the API's tables made from
 * all of it, as `npm run rebuild-projections` does.
 */
export async function measureReplay(stack: Stack, events: number): Promise<Replayed> {
  await fill(stack, events);
  return rebuild(stack);
}

/** Has the API's tables made from all of the log of a stack. */
export async function rebuild(stack: Stack): Promise<Replayed> {
  const { postgresUrl, natsUrl, controlCredentials, platformKeyFile } = stack.infrastructure;
  const program = join(import.meta.dirname, '../../apps/api/dist/rebuild.js');
  const { stdout } = await execa(process.execPath, [program], {
    env: {
      BUCKETS_NATS_URL: natsUrl,
      BUCKETS_NATS_CREDS_FILE: controlCredentials.api,
      BUCKETS_POSTGRES_URL: postgresUrl,
      BUCKETS_PLATFORM_KEY_FILE: platformKeyFile,
    },
  });
  const said = JSON.parse(stdout.trim().split('\n').at(-1)!) as Omit<Replayed, 'eventsPerSecond'>;
  return { ...said, eventsPerSecond: Math.round(said.events / said.seconds) };
}

async function fill(stack: Stack, events: number): Promise<void> {
  const { natsUrl: url, controlCredentials } = stack.infrastructure;
  const nats = await connectToNats({ url, credsFile: controlCredentials.api, name: 'bench' });
  try {
    const jsm = await jetstreamManager(nats);
    await provisionStreams(jsm);
    const log = new Log(nats, jsm, 'buckets/bench');
    const projects = Math.ceil(events / historyOf('p').flatMap((decided) => decided.events).length);
    const ids = Array.from({ length: projects }, (_, n) => `project-${n}`).values();
    const write = async (): Promise<void> => {
      for (const id of ids) await writeHistory(log, id);
    };
    await Promise.all(Array.from({ length: PROJECTS_AT_ONCE }, write));
    console.log(`The log has ${(await jsm.streams.info(STREAM.log)).state.messages} messages.`);
  } finally {
    await nats.close();
  }
}

async function writeHistory(log: Log, id: string): Promise<void> {
  let expected = 0;
  for (const decided of historyOf(id)) {
    expected = (await log.append({ thing: 'project', id, expected, ...decided })).at(-1)!.position;
  }
}

export interface Decided {
  events: NewEvent<'project'>[];
  intents?: NewIntent[];
}

/** What happens to a project: it is made, and backed up again and again. */
function historyOf(id: string): Decided[] {
  const backups = Array.from({ length: BACKUPS_OF_EACH }, (_, n) => backup(id, n));
  return [{ events: [created()] }, ...backups];
}

export function created(): NewEvent<'project'> {
  return event('created', CREATED);
}

/** All of it in one batch: the filling is not what is measured. */
export function backup(projectId: string, n: number): Decided {
  const operationId = `${projectId}-op-${n}`;
  const backupId = createHash('sha256').update(operationId).digest('hex');
  const counter = { generation: 1, epoch: 'dawn', n };
  const limits = OPERATION_LIMITS.backup;
  const intent = { operationId, generation: 1, requestedAt: AT, limits };
  return {
    events: [
      event('backup-requested', { ...HOST, operationId, params: {}, limits, requestedBy: 'scheduler' }),
      event('backup-began', { operationId, hostId: HOST.hostId, attempt: 1, attemptId: `${operationId}-attempt` }),
      event('backup-recorded', { ...RECORD, backupId, operationId, counter, hostId: HOST.hostId }),
      event('backup-succeeded', { operationId, attempt: 1, result: { backupId } }),
      event('freshness-changed', { freshness: 'fresh', reason: 'A backup covers it.', counter, coveredBy: backupId }),
    ],
    intents: [{ kind: 'backup', hostId: HOST.hostId, projectId, data: intent }],
  };
}

const CREATED: ProjectEvents['created'] = {
  ...{ requestedBy: 'admin', ownerId: 'someone', regionId: 'region-1', bucketId: 'bucket-1' },
  ...{ ...HOST, backupIntervalMinutes: 60 },
};

const RECORD = {
  ...{ beganAt: AT, endedAt: AT, partialBecause: [], unreadable: { total: 0, first: [] } },
  consistency: { mode: 'live' as const, movedWhileReading: false },
  ...{ files: 1_234, folders: 56, bytes: 98_765_432, bytesAdded: 12_345, bytesStored: 6_789 },
  ...{ filesNew: 3, filesChanged: 14 },
};

function event<Y extends keyof ProjectEvents>(type: Y, data: ProjectEvents[Y]): NewEvent<'project'> {
  return { thing: 'project', type, data } as NewEvent<'project'>;
}
