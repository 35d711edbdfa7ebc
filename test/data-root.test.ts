import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { until } from '../stack/src/index.js';
import type { Problem } from './running/api.js';
import { runOf } from './running/copy.js';
import { EU, processesOf, Product } from './running/product.js';

jest.setTimeout(60_000);

const WORKER = 'worker-eu-1';
let product: Product;
let root: string;
let health: string;

beforeAll(async () => {
  product = await Product.start();
  root = product.dataRoot(EU);
  health = `http://127.0.0.1:${(await runOf(product, WORKER)).env['BUCKETS_HTTP_PORT']}/health/ready`;
});
afterAll(() => product[Symbol.asyncDispose]());

const file = (id: string) => join(product.folder(id), 'project', 'file');

async function becomes(id: string, freshness: string): Promise<{ reason: string; coveredBy?: string }> {
  return until(
    async () => {
      const found = await product.api.get<{ freshness: string; reason: string }>(`/v1/projects/${id}/freshness`);
      return found.freshness === freshness ? found : undefined;
    },
    { what: `${id} to be ${freshness}`, withinMs: 40_000 },
  );
}

/** What the worker says of its data root, until it says that it is down, or up. */
async function dataRootIs(status: 'up' | 'down'): Promise<{ reason?: string }> {
  return until(
    async () => {
      const { checks } = (await (await fetch(health)).json()) as {
        checks: { dataRoot: { status: string; reason?: string } };
      };
      return checks.dataRoot.status === status ? checks.dataRoot : undefined;
    },
    { what: `the data root to be ${status}`, withinMs: 40_000 },
  );
}

async function backedUp(id: string): Promise<string> {
  await product.newProject(id);
  await writeFile(file(id), 'first');
  const { result } = await product.backUp(id);
  await becomes(id, 'fresh');
  return result!.backupId!;
}

/** As when its file system is not mounted: an empty folder stands there. */
async function away(): Promise<void> {
  await rename(root, `${root}-away`);
  await mkdir(root);
}
async function back(): Promise<void> {
  await rm(root, { recursive: true });
  await rename(`${root}-away`, root);
}

describe('a data root that is not there', () => {
  it('is no empty host: while it is away nothing is done, that is said, and all goes on when it is back', async () => {
    const backupId = await backedUp('atlas');
    // In no backup: a start that took the project for lost would bring back what was before it.
    await writeFile(file('atlas'), 'since the backup');
    await away();
    expect((await dataRootIs('down')).reason).toContain('not mounted');
    expect((await becomes('atlas', 'unknown')).reason).toContain('not mounted');
    const { id } = await product.api.ask('/v1/projects/atlas/start');
    const { id: backup } = await product.api.ask('/v1/projects/atlas/backups');
    await becomes('atlas', 'unknown');
    const host = async () => product.api.get<{ dataRoot: string; warnings: string[] }>(`/v1/hosts/${EU}`);
    await until(async () => (await host()).dataRoot === 'missing', { what: 'a report of its host', withinMs: 40_000 });
    expect((await host()).warnings).toEqual([expect.stringContaining('Its data root is not there')]);
    for (const each of [id, backup]) {
      const operation = { state: 'queued', waitsFor: expect.stringContaining('Its data root is not there') };
      expect(await product.api.get(`/v1/operations/${each}`)).toMatchObject(operation);
    }
    const files = await product.api.call<Problem>('GET', '/v1/projects/atlas/files');
    expect(files).toMatchObject({ status: 503, body: { code: 'data-root-missing' } });
    expect(await readdir(root)).toEqual([]);
    expect(product.lines.filter(({ line }) => line.includes('The data root is not here'))).not.toEqual([]);

    await back();
    await dataRootIs('up');
    expect(await product.api.ended(id)).toMatchObject({ state: 'succeeded' });
    expect(await product.api.ended(backup)).toMatchObject({ state: 'succeeded' });
    expect(await readFile(file('atlas'), 'utf8')).toBe('since the backup');
    expect((await becomes('atlas', 'fresh')).coveredBy).not.toBe(backupId);
  });

  it('and goes away in the middle of a restore has that tried again when it is back', async () => {
    await product.newProject('middle');
    await writeFile(file('middle'), randomBytes(200_000_000));
    const { result } = await product.backUp('middle');
    const { id } = await product.api.ask(`/v1/projects/middle/backups/${result!.backupId!}/restore`);
    const restores = async () =>
      (await processesOf(product.dataDir)).filter(({ command }) => /\/rustic\b.* restore /.test(command));
    const held = await until(async () => {
      const found = await restores();
      for (const { pid } of found) process.kill(pid, 'SIGSTOP');
      return found.length > 0 ? found : undefined;
    });
    await away();
    await dataRootIs('down');
    for (const { pid } of held) process.kill(pid, 'SIGCONT');
    await product.api.seen(id, ({ progress }) => progress?.phase === 'waiting', 'that its attempt has failed');
    await back();
    await dataRootIs('up');
    expect(await product.api.ended(id)).toMatchObject({
      ...{ state: 'succeeded', attempts: 2, previousFailure: 'data-root-missing' },
    });
  });

  it('at the start of the worker is waited for in the same way', async () => {
    const backupId = await backedUp('early');
    await product.stack.kill(WORKER);
    await away();
    const restarted = product.stack.restart(WORKER);
    await dataRootIs('down');
    expect((await becomes('early', 'unknown')).reason).toContain('not mounted');
    expect(await readdir(root)).toEqual([]);
    await back();
    await restarted;
    expect((await becomes('early', 'fresh')).coveredBy).toBe(backupId);
  });

  it('has what waits for it cut off by an orderly stop, which is no error, and taken up after it', async () => {
    await backedUp('patient');
    await away();
    await dataRootIs('down');
    const { id } = await product.api.ask('/v1/projects/patient/backups');
    await until(async () => (await product.api.get<{ waitsFor?: string }>(`/v1/operations/${id}`)).waitsFor, {
      what: 'a word on why it waits',
      withinMs: 40_000,
    });
    const before = product.lines.length;
    await product.stack.kill(WORKER, 'SIGTERM');
    const said = product.lines.slice(before).filter(({ line }) => line.includes('"level":"error"'));
    expect(said.filter(({ line }) => !line.includes('The data root is not here'))).toEqual([]);
    await back();
    await product.stack.restart(WORKER);
    expect(await product.api.ended(id)).toMatchObject({ state: 'succeeded' });
  });

  it('and never will be again is begun anew by a word of a person, and starts restore', async () => {
    const backupId = await backedUp('lost');
    await product.stack.kill(WORKER);
    await rm(root, { recursive: true });
    const restarted = product.stack.restart(WORKER);
    await dataRootIs('down');
    const marker = join(root, '.buckets', 'host-id');
    await mkdir(dirname(marker), { recursive: true });
    await writeFile(marker, `${EU}\n`);
    await restarted;
    await becomes('lost', 'unknown');
    expect(await product.start('lost')).toMatchObject({ state: 'succeeded', result: { restore: { backupId } } });
    expect(await readFile(file('lost'), 'utf8')).toBe('first');
    await becomes('lost', 'stale');
  });
});
