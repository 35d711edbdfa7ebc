import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '@buckets/contracts';
import { until } from '../stack/src/index.js';
import type { Operation, Problem } from './running/api.js';
import { hasRestic, restic } from './running/plain-tools.js';
import { processesOf, Product } from './running/product.js';
import { inStore, snapshotsOf } from './running/repositories.js';

jest.setTimeout(180_000);

/** Enough for an upload or a restore that is still going on when it is looked at. */
const MUCH = 300_000_000;
/** By then some of it is stored: rustic uploads pieces of 32 MiB and more. */
const STARTED = 150_000_000;
const REUSED = 30_000_000;

interface Told extends Operation {
  left?: string[];
  cancelTooLate?: boolean;
  previousFailure?: string;
}

let product: Product;

beforeAll(async () => {
  product = await Product.start({
    services: ['api', 'worker-eu-1'],
    settings: (dataDir) => {
      // Does as it finds itself told by files beside it.
      writeFileSync(
        join(dataDir, 'hook'),
        `#!/bin/sh
cd '${dataDir}' || exit 99
echo "$1" >> "ran-$BUCKETS_PROJECT_ID"
rm "freeze-$1" 2> /dev/null && kill -STOP $$
if [ -e "hang-$1" ]; then
  rm "hang-$1"
  sleep 600
fi
exit 0
`,
      );
      chmodSync(join(dataDir, 'hook'), 0o700);
      const hook = (moment: string) => JSON.stringify([join(dataDir, 'hook'), moment]);
      return { BUCKETS_START_HOOK: hook('start'), BUCKETS_STOP_HOOK: hook('stop'), BUCKETS_WORKER_CPUS: '1' };
    },
  });
  await product.newProject('atlas');
  await product.newProject('boreas');
  await writeFile(join(product.folder('boreas'), 'project', 'file'), 'content');
});
afterAll(() => product[Symbol.asyncDispose]());
beforeEach(() => Promise.all(['atlas', 'boreas'].map((id) => rm(join(product.dataDir, `ran-${id}`), { force: true }))));

describe('a cancel', () => {
  it('ends at once what its host has not begun, such as what waits behind another', async () => {
    await bidHook('hang', 'start');
    const start = await product.api.ask('/v1/projects/boreas/start');
    await hookRan('boreas');
    const stop = await product.api.ask('/v1/projects/boreas/stop');
    expect(await cancelled(stop)).toMatchObject({ state: 'cancelled', attempts: 0 });
    expect(await operation(start)).toMatchObject({ state: 'running' });
    await cancelled(start);
  });

  it('reaches what waits until its host has room', async () => {
    await change('atlas', MUCH);
    const large = await product.api.ask('/v1/projects/atlas/backups');
    await uploading(large);
    const waits = await product.api.ask('/v1/projects/boreas/backups');
    await product.api.seen(waits.id, ({ progress }) => progress?.phase === 'waiting', 'that it waits');
    expect(await cancelled(waits)).toMatchObject({ state: 'cancelled', attempts: 1 });
    expect(await product.api.ended(large.id)).toMatchObject({ state: 'succeeded' });
  });

  it('ends an upload half-way; the repository is sound, and the next backup reuses what was uploaded', async () => {
    await change('atlas', MUCH);
    const backup = await product.api.ask('/v1/projects/atlas/backups');
    await uploading(backup);
    const told = await cancelled(backup);
    expect(told).toMatchObject({ state: 'cancelled' });
    expect(told.left?.join(' ')).toMatch(/[\d.]+ MB that were uploaded stay in the repository/);
    expect(await rusticProcesses()).toEqual([]);
    if (hasRestic) expect(await restic(product, 'atlas', ['check', '--read-data'])).toContain('no errors were found');

    const next = await product.backUp('atlas');
    expect(next).toMatchObject({ state: 'succeeded' });
    const { bytes, bytesAdded } = await product.api.backup('atlas', next.result?.backupId);
    expect(bytes).toBeGreaterThanOrEqual(MUCH);
    expect(bytesAdded).toBeLessThan(MUCH - REUSED);
  });

  it('ends a restore half-way: the data are those from before, and nothing is left of it', async () => {
    const [backup] = await product.api.backups('atlas');
    await writeFile(join(product.folder('atlas'), 'project', 'since'), 'changed since');
    const restore = await product.api.ask(`/v1/projects/atlas/backups/${backup!.id}/restore`);
    await product.api.seen(restore.id, ({ progress }) => progress?.phase === 'restoring', 'that it restores');
    const told = await cancelled(restore);
    expect(told).toMatchObject({ state: 'cancelled', left: [expect.stringMatching('Nothing was replaced')] });
    expect(await readFile(join(product.folder('atlas'), 'project', 'since'), 'utf8')).toBe('changed since');
    expect(await rusticProcesses()).toEqual([]);
    expect(await product.leftOn()).toEqual([]);
  });

  it('that comes too late says so: there is a backup, and the operation has made it', async () => {
    await change('boreas', 1000);
    const known = new Set((await snapshotsOf(product, 'boreas').catch(() => [])).map(({ id }) => id));
    const backup = await product.api.ask('/v1/projects/boreas/backups');
    const isThere = async () => (await snapshotsOf(product, 'boreas')).find(({ id }) => !known.has(id));
    await until(isThere, { what: 'a snapshot', withinMs: 60_000 });
    // The worker stands still, and rustic comes to its own end meanwhile.
    process.kill(product.pid('worker-eu-1')!, 'SIGSTOP');
    try {
      await until(async () => (await rusticProcesses()).length === 0, { what: 'the end of rustic' });
      await askForCancel(backup, [202, 409]);
    } finally {
      process.kill(product.pid('worker-eu-1')!, 'SIGCONT');
    }
    const told = (await product.api.ended(backup.id)) as Told;
    expect(told).toMatchObject({ state: 'succeeded', result: { backupId: (await isThere())!.id } });
    await askForCancel(backup, [409]);
  });

  it('that is asked for while the worker is dead is heeded when it is back', async () => {
    await change('atlas', MUCH);
    const backup = await product.api.ask('/v1/projects/atlas/backups');
    await uploading(backup);
    await product.stack.kill('worker-eu-1');
    await askForCancel(backup, [202]);
    await askForCancel(backup, [202]);
    await product.stack.restart('worker-eu-1');
    expect(await product.api.ended(backup.id)).toMatchObject({ state: 'cancelled', attempts: 2 });
    expect(await rusticProcesses()).toEqual([]);
    expect(await product.leftOn()).toEqual([]);
    expect(await product.backUp('atlas')).toMatchObject({ state: 'succeeded' });
  });

  it('ends a command that hangs, with all that it has started', async () => {
    await bidHook('hang', 'start');
    const start = await product.api.ask('/v1/projects/boreas/start');
    await hookRan('boreas');
    const told = await cancelled(start);
    expect(told).toMatchObject({
      state: 'cancelled',
      left: [expect.stringMatching('The command that starts the project')],
    });
    expect(await product.api.project('boreas')).toMatchObject({ running: false });
    expect((await processesOf(product.dataDir)).filter(({ command }) => /\bsleep 600|\/hook /.test(command))).toEqual(
      [],
    );
  });
});

describe('the limits of a request', () => {
  it('end a command that shows no sign of work; it is tried again', async () => {
    await bidHook('freeze', 'start');
    const start = await product.api.ask('/v1/projects/boreas/start', { limits: { stallSeconds: 2 } });
    expect(await product.api.ended(start.id)).toMatchObject({
      state: 'succeeded',
      attempts: 2,
      previousFailure: 'stalled',
      limits: { stallSeconds: 2 },
    });
    await product.stop('boreas');
  });

  it('end an attempt that takes too long; it is tried again', async () => {
    await bidHook('hang', 'start');
    const start = await product.api.ask('/v1/projects/boreas/start', { limits: { attemptSeconds: 2 } });
    expect(await product.api.ended(start.id)).toMatchObject({
      state: 'succeeded',
      attempts: 2,
      previousFailure: 'attempt-limit',
    });
    await product.stop('boreas');
  });

  it('end a rustic that stands still; what it had uploaded is reused', async () => {
    await change('atlas', MUCH);
    const backup = await product.api.ask('/v1/projects/atlas/backups', { limits: { stallSeconds: 3 } });
    await uploading(backup);
    for (const { pid } of await rusticProcesses()) process.kill(pid, 'SIGSTOP');
    const ended = await product.api.ended(backup.id);
    expect(ended).toMatchObject({ state: 'succeeded', attempts: 2, previousFailure: 'stalled' });
    expect(await rusticProcesses()).toEqual([]);
    const { bytesAdded } = await product.api.backup('atlas', ended.result?.backupId);
    expect(bytesAdded).toBeLessThan(MUCH - REUSED);
    const metrics = await workerMetrics();
    expect(metrics).toMatch(/buckets_attempt_failures_total\{kind="backup",code="stalled"\} [1-9]/);
    expect(metrics).toMatch(/buckets_attempts_ended_total\{kind="backup",outcome="succeeded"\} [1-9]/);
    expect(metrics).toMatch(/buckets_operations\{doing="running"\} 0/);
  });
});

describe('a look at a repository', () => {
  it('ends at a cancel, with its rustic; nothing is left of it, and nothing is said of the repository', async () => {
    const before = await objectsOf('atlas');
    const verify = await product.api.ask('/v1/projects/atlas/verify', { readData: 1 });
    await held('check');
    expect(await cancelled(verify)).toMatchObject({
      state: 'cancelled',
      left: ['Nothing was found to be damaged, nor to be whole.'],
    });
    expect(await rusticProcesses()).toEqual([]);
    expect(await product.leftOn()).toEqual([]);
    expect(await objectsOf('atlas')).toEqual(before);
    expect(await product.api.project('atlas')).not.toHaveProperty('damage');
    expect(await product.api.done('/v1/projects/atlas/verify')).toMatchObject({ state: 'succeeded' });
  });

  it('whose rustic stands still is ended by its limit, and tried again', async () => {
    const verify = await product.api.ask('/v1/projects/atlas/verify', { readData: 1, limits: { stallSeconds: 3 } });
    await held('check');
    expect(await product.api.ended(verify.id)).toMatchObject({
      ...{ state: 'succeeded', attempts: 2, previousFailure: 'stalled' },
      result: { repository: { total: 0 } },
    });
    expect(await rusticProcesses()).toEqual([]);
    expect(await product.leftOn()).toEqual([]);
  });
});

describe('tidying a repository', () => {
  interface Tidied extends Omit<Operation, 'result'> {
    result: {
      orphans: {
        total: number;
        removed: number;
        unexplained?: number;
        first: { backupId: string; operationId?: string; removed: boolean }[];
      };
    };
  }
  const tidy = (body: object = {}) =>
    product.api.done('/v1/projects/boreas/tidy', body) as Promise<unknown> as Promise<Tidied>;
  const ids = async () => (await snapshotsOf(product, 'boreas')).map(({ id }) => id).sort();

  it('says that there is nothing to tidy', async () => {
    expect(await tidy({ remove: true })).toMatchObject({
      state: 'succeeded',
      result: { orphans: { total: 0, removed: 0, first: [] } },
    });
  });

  (hasRestic ? it : it.skip)(
    'lists what is no backup, and removes of it what an operation has made that has ended, in time',
    async () => {
      const backups = await ids();
      const cancelledOnes = '/v1/operations?projectId=boreas&kind=backup&state=cancelled';
      const [ended] = (await product.api.get<{ items: Operation[] }>(cancelledOnes)).items;
      const operationId = ended!.id;
      const nobodys = newId();
      const add = async (...tags: string[]) => {
        await restic(product, 'boreas', [
          'backup',
          '--host',
          'boreas',
          ...tags,
          join(product.folder('boreas'), 'project'),
        ]);
        return (await ids()).find((id) => !backups.includes(id) && !others.includes(id))!;
      };
      const others: string[] = [];
      others.push(await add('--tag', `operation:${operationId}`));
      others.push(await add('--tag', 'mine'));
      others.push(await add('--tag', `operation:${nobodys}`));
      const [orphan, mine, unexplained] = others as [string, string, string];

      const listed = [
        { backupId: orphan, operationId, removed: false },
        { backupId: mine, removed: false },
        { backupId: unexplained, operationId: nobodys, removed: false },
      ];
      const untouched = { total: 3, removed: 0, unexplained: 1, first: listed };
      expect((await tidy()).result.orphans).toMatchObject(untouched);
      expect((await tidy({ remove: true })).result.orphans).toMatchObject(untouched);
      const removed = await tidy({ remove: true, graceSeconds: 0 });
      expect(removed).toMatchObject({ state: 'partial', code: 'unexplained-backups' });
      expect(removed.result.orphans).toMatchObject({
        total: 3,
        removed: 1,
        first: [{ removed: true }, { removed: false }, { removed: false }],
      });
      expect(await ids()).toEqual([...backups, mine, unexplained].sort());
    },
  );
});

async function operation({ id }: Operation): Promise<Told> {
  return product.api.get<Told>(`/v1/operations/${id}`);
}

async function askForCancel({ id }: Operation, statuses: readonly number[]): Promise<void> {
  const { status, body } = await product.api.call<Problem>('POST', `/v1/operations/${id}/cancel`);
  expect(statuses).toContain(status);
  if (status === 409) expect(body.code).toBe('operation-ended');
}

/** Cancels and waits for the end. */
async function cancelled(of: Operation): Promise<Told> {
  await askForCancel(of, [202]);
  return (await product.api.ended(of.id)) as Told;
}

/** Puts content into a project that no repository has seen. */
async function change(projectId: string, bytes: number): Promise<void> {
  await writeFile(join(product.folder(projectId), 'project', 'load'), randomBytes(bytes));
}

async function uploading({ id }: Operation): Promise<void> {
  const isSo = ({ progress }: Operation) => progress?.phase === 'uploading' && progress.bytesDone > STARTED;
  await product.api.seen(id, isSo, 'that it uploads', 60_000);
}

/** What the operator's command does the next time, and only then. */
async function bidHook(what: 'hang' | 'freeze', moment: string): Promise<void> {
  await writeFile(join(product.dataDir, `${what}-${moment}`), '');
}

async function hookRan(projectId: string): Promise<void> {
  const ran = () => readFile(join(product.dataDir, `ran-${projectId}`), 'utf8');
  await until(ran, { what: `a command for ${projectId}`, withinMs: 30_000 });
}

/** Stops the rustic that does this, once there is one: it shows no sign of work until somebody ends it. */
async function held(command: string): Promise<void> {
  const isWanted = new RegExp(`/rustic\\b.* ${command}\\b`);
  const found = async () => (await rusticProcesses()).filter((each) => isWanted.test(each.command));
  await until(async () => (await found()).length > 0, { what: `rustic ${command}`, withinMs: 60_000 });
  for (const { pid } of await found()) process.kill(pid, 'SIGSTOP');
}

async function objectsOf(projectId: string): Promise<string[]> {
  return inStore(product, projectId, async (store, prefix) => {
    const keys: string[] = [];
    for await (const { key } of store.list(prefix)) keys.push(key);
    return keys;
  });
}

async function rusticProcesses(): Promise<{ pid: number; command: string }[]> {
  return (await processesOf(product.dataDir)).filter(({ command }) => /\/rustic\b/.test(command));
}

async function workerMetrics(): Promise<string> {
  const environment = await readFile(`/proc/${product.pid('worker-eu-1')}/environ`, 'latin1');
  const port = /BUCKETS_HTTP_PORT=(\d+)/.exec(environment)?.[1];
  return (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
}
