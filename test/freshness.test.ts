import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { until } from '../stack/src/index.js';
import type { Freshness } from './running/api.js';
import { EU, Product, US } from './running/product.js';

jest.setTimeout(120_000);

const WORKER = `worker-${EU}`;

/** A hundredth of the usual patience, so that silence and schedules can be seen. */
const settings = (dataDir: string): Record<string, string> => ({
  BUCKETS_HOST_SILENCE_LIMIT: '3s',
  BUCKETS_HEARTBEAT: '500ms',
  BUCKETS_SCHEDULE_TICK: '500ms',
  // A backup waits here while a test holds the gate, having counted and not yet read.
  BUCKETS_SNAPSHOT_BEFORE: JSON.stringify([
    'sh',
    '-c',
    `touch ${q(dataDir)}/at-gate; while [ -e ${q(dataDir)}/gate ]; do sleep 0.02; done`,
  ]),
});

describe('how fresh a project is', () => {
  let product: Product;

  beforeAll(async () => {
    product = await Product.start({ services: ['api', 'scheduler', WORKER, `worker-${US}`], settings });
    // Its interval of a minute passes while the others are tested, on a host whose worker is left alone.
    await freshProject('scheduled', { hostId: US, backupIntervalMinutes: 1 });
    await writeFile(file('scheduled', US), 'second');
  });
  afterAll(async () => {
    await product[Symbol.asyncDispose]();
  });

  const file = (id: string, hostId = EU) => join(product.folder(id, hostId), 'project', 'note.txt');

  async function becomes(
    id: string,
    freshness: Freshness['freshness'],
    fits: (seen: Freshness) => boolean = () => true,
  ) {
    let last: Freshness | undefined;
    return until(
      async () => {
        last = await product.api.freshness(id);
        return last.freshness === freshness && fits(last) ? last : undefined;
      },
      { what: `${id} to be ${freshness}`, withinMs: 40_000 },
    ).catch((error: unknown) => {
      throw new Error(`Last seen: ${JSON.stringify(last)}`, { cause: error });
    });
  }

  /** A project with one file and a backup of it, seen to be fresh. */
  async function freshProject(
    id: string,
    options: { hostId?: string; backupIntervalMinutes?: number } = {},
  ): Promise<string> {
    await product.newProject(id, options);
    await writeFile(file(id, options.hostId), 'first');
    const { result } = await product.backUp(id);
    expect((await becomes(id, 'fresh')).coveredBy).toBe(result?.backupId);
    return result!.backupId!;
  }

  it('is never, then fresh, then stale since the change, then fresh again', async () => {
    await product.newProject('life');
    expect((await becomes('life', 'never')).reason).toMatch(/never/);
    await writeFile(file('life'), 'first');
    await product.backUp('life');
    await becomes('life', 'fresh');
    const before = Date.now();
    await writeFile(file('life'), 'second');
    const stale = await becomes('life', 'stale');
    expect(stale.reason).not.toBe('');
    expect(Date.parse(stale.staleSince!)).toBeGreaterThanOrEqual(before - 1);
    expect(Date.parse(stale.staleSince!)).toBeLessThanOrEqual(Date.now());
    await product.backUp('life');
    expect(await becomes('life', 'fresh')).not.toHaveProperty('staleSince');
  });

  it.each([
    ['a new folder', (path: string) => mkdir(`${path}-folder`)],
    [
      'a file in a folder made a moment ago',
      async (path: string) => {
        await mkdir(`${path}-a/b/c`, { recursive: true });
        await writeFile(`${path}-a/b/c/file`, 'x');
      },
    ],
    ['a removed file', (path: string) => rm(path)],
    ['a changed time', (path: string) => utimes(path, 1, 1)],
  ])('becomes stale by %s', async (what, change) => {
    const id = `by-${what.replaceAll(/[^a-z]+/g, '-')}`;
    await freshProject(id);
    await change(file(id));
    await becomes(id, 'stale');
  });

  it('stays fresh while it runs and writes nothing, and while a backup or a reader reads it', async () => {
    await freshProject('quiet');
    await product.start('quiet');
    await product.backUp('quiet');
    await becomes('quiet', 'fresh');
    expect(await readFile(file('quiet'), 'utf8')).toBe('first');
    await product.backUp('quiet');
    await product.backUp('quiet');
    await becomes('quiet', 'fresh');
    const counters = (await product.api.backups('quiet')).map(({ counter }) => counter);
    expect(counters).toHaveLength(4);
    expect(new Set(counters.map((counter) => JSON.stringify(counter))).size).toBe(1);
    await product.stop('quiet');
  });

  it('stays stale when it changes while a backup reads', async () => {
    await freshProject('during');
    await product.start('during');
    await writeFile(file('during'), 'before the backup');
    await becomes('during', 'stale');
    await rm(join(product.dataDir, 'at-gate'), { force: true });
    await writeFile(join(product.dataDir, 'gate'), '');
    const backup = await product.api.ask('/v1/projects/during/backups');
    await until(() => exists(join(product.dataDir, 'at-gate')), { what: 'the backup to have begun' });
    await appendFile(file('during'), ' and during it');
    await rm(join(product.dataDir, 'gate'));
    const ended = await product.api.ended(backup.id);
    expect(ended.state).toBe('succeeded');
    const made = await product.api.backup('during', ended.result?.backupId);
    expect(made.consistency).toEqual({ mode: 'snapshot', movedWhileReading: true });
    const seen = await becomes(
      'during',
      'stale',
      ({ staleSince }) => Date.parse(staleSince!) >= Date.parse(made.beganAt),
    );
    expect(seen.coveredBy).toBeUndefined();
    await product.backUp('during');
    await becomes('during', 'fresh');
    await product.stop('during');
  });

  it('is stale by a change that is reported from outside, until a backup that began after it', async () => {
    await freshProject('outside');
    await product.api.post('/v1/projects/outside/changes', { source: 'agent-edit' }, 200);
    expect((await becomes('outside', 'stale')).reason).toMatch(/agent-edit/);
    await product.backUp('outside');
    await becomes('outside', 'fresh');
  });

  it('is less fresh again when its newest backup is deleted', async () => {
    const first = await freshProject('deleted');
    await writeFile(file('deleted'), 'second');
    await becomes('deleted', 'stale');
    const second = (await product.backUp('deleted')).result!.backupId!;
    expect((await becomes('deleted', 'fresh')).coveredBy).toBe(second);
    const { body } = await product.api.call<{ id: string }>('DELETE', `/v1/projects/deleted/backups/${second}`);
    expect((await product.api.ended(body.id)).state).toBe('succeeded');
    await becomes('deleted', 'stale');
    expect((await product.api.backups('deleted')).map(({ id }) => id)).toEqual([first]);
  });

  it('is unknown while its host is silent, and fresh again by a scan when nothing has changed', async () => {
    const backupId = await freshProject('silent');
    await freshProject('changed-meanwhile');
    await product.stack.kill(WORKER, 'SIGKILL');
    await becomes('silent', 'unknown');
    await becomes('changed-meanwhile', 'unknown');
    await writeFile(file('changed-meanwhile'), 'while nobody watched');
    await product.stack.restart(WORKER);
    expect((await becomes('silent', 'fresh')).coveredBy).toBe(backupId);
    await becomes('changed-meanwhile', 'stale');
    expect(await product.api.backups('silent')).toHaveLength(1);
  });

  it('is not fresh by a scan when the worker’s own state was lost', async () => {
    await freshProject('state-lost');
    await product.stack.kill(WORKER, 'SIGKILL');
    await rm(join(product.dataRoot(EU), '.buckets', 'changes'), { recursive: true, force: true });
    await product.stack.restart(WORKER);
    await becomes('state-lost', 'stale');
    await product.backUp('state-lost');
    await becomes('state-lost', 'fresh');
  });

  it('finds a change that no watcher saw', async () => {
    await freshProject('mapped');
    const script = [
      'import mmap, os, sys, time',
      'f = open(sys.argv[1], "r+b"); f.truncate(4096); f.flush(); os.fsync(f.fileno())',
      'm = mmap.mmap(f.fileno(), 4096); m[0] = 1; m.flush()',
      'print("mapped", flush=True); sys.stdin.readline()',
      'm[0] = 2; m.flush(); print("written", flush=True)',
    ].join('\n');
    const writer = spawn('python3', ['-c', script, file('mapped')], { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(writer.stdout, 'data');
    await product.backUp('mapped');
    await becomes('mapped', 'fresh');
    writer.stdin.end('\n');
    await once(writer, 'exit');
    // A new process scans what it knows nothing of: the slow scan of this one would come in 15 minutes.
    await product.stack.kill(WORKER, 'SIGKILL');
    await product.stack.restart(WORKER);
    await becomes('mapped', 'stale');
  });

  it('is fresh only by what holds each store into a mapped page, also one that changes no stamp', async () => {
    await freshProject('stores');
    await product.start('stores');
    const script = [
      'import mmap, sys',
      'f = open(sys.argv[1], "r+b"); f.truncate(4096)',
      'm = mmap.mmap(f.fileno(), 4096)',
      'print("mapped", flush=True)',
      'for line in sys.stdin: m[0] = int(line); print("stored", flush=True)',
    ].join('\n');
    const writer = spawn('python3', ['-c', script, file('stores')], { stdio: ['pipe', 'pipe', 'inherit'] });
    const store = async (byte: number) => {
      writer.stdin.write(`${byte}\n`);
      await once(writer.stdout, 'data');
    };
    await once(writer.stdout, 'data');
    const stamps = async () => {
      const { ctimeNs, mtimeNs } = await stat(file('stores'), { bigint: true });
      return [ctimeNs, mtimeNs].join();
    };
    // Whoever has the disk written back between the stores has the second one stamped: then once more.
    await until(
      async () => {
        await rm(join(product.dataDir, 'at-gate'), { force: true });
        await writeFile(join(product.dataDir, 'gate'), '');
        const { id } = await product.api.ask('/v1/projects/stores/backups');
        await until(() => exists(join(product.dataDir, 'at-gate')), { what: 'the backup to have begun' });
        await store(1);
        await rm(join(product.dataDir, 'gate'));
        expect((await product.api.ended(id)).state).toBe('succeeded');
        const before = await stamps();
        await store(2);
        return (await stamps()) === before;
      },
      { what: 'a store that no stamp tells of', withinMs: 30_000 },
    );
    writer.stdin.end();
    await once(writer, 'exit');
    await product.stop('stores');
    await product.backUp('stores');
    // A new process scans: before it has, nobody can know of either store.
    await product.stack.kill(WORKER, 'SIGKILL');
    await product.stack.restart(WORKER);
    await becomes('stores', 'stale');
    const { result } = await product.backUp('stores');
    expect((await becomes('stores', 'fresh')).coveredBy).toBe(result?.backupId);
    await product.restore('stores', result!.backupId!);
    expect((await readFile(file('stores')))[0]).toBe(2);
  });

  it('a restore says what was lost with the data that it has replaced, and raises no alarm of its own', async () => {
    await freshProject('returned');
    const { coveredBy } = await becomes('returned', 'fresh');
    const reasons = new Set<string>();
    const watching = new AbortController();
    const watch = (async () => {
      while (!watching.signal.aborted) reasons.add((await product.api.freshness('returned')).reason);
    })();
    const whole = await product.restore('returned', coveredBy!);
    await becomes('returned', 'stale', ({ reason }) => reason.startsWith('Restored'));
    watching.abort();
    await watch;
    expect(whole).toMatchObject({ state: 'succeeded', result: { restore: { backupId: coveredBy } } });
    expect(whole.result!.restore).not.toHaveProperty('changesLostSince');
    expect([...reasons].filter((reason) => /^What stands|cannot read|newest backup began\.$/.test(reason))).toEqual([]);

    await product.backUp('returned');
    const again = await becomes('returned', 'fresh');
    const changedAt = Date.now();
    await writeFile(file('returned'), 'changed after its newest backup');
    const { result } = await product.restore('returned', again.coveredBy!);
    const lostSince = Date.parse((result!.restore as { changesLostSince?: string }).changesLostSince!);
    expect(lostSince).toBeGreaterThanOrEqual(changedAt - 1_000);
    expect(await readFile(file('returned'), 'utf8')).not.toContain('changed after');
  });

  it('is backed up by the schedule when it has been stale for longer than its interval', async () => {
    await until(async () => (await product.api.backups('scheduled')).length === 2, {
      what: 'a second backup by the schedule',
      withinMs: 90_000,
    });
    await becomes('scheduled', 'fresh');
  });
});

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function q(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
