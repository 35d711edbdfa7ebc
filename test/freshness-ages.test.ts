import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import { until } from '../stack/src/index.js';
import type { Freshness, Project } from './running/api.js';
import { EU, Product } from './running/product.js';

jest.setTimeout(120_000);

const WORKER = `worker-${EU}`;
const LIMIT_MS = 5_000;
/** More than any project of these tests has, but for the one that is too large to be watched. */
const WATCHED_FOLDERS = 40;

const settings = (): Record<string, string> => ({
  BUCKETS_FRESHNESS_LIMIT: `${LIMIT_MS}ms`,
  BUCKETS_HOST_SILENCE_LIMIT: '3s',
  BUCKETS_HEARTBEAT: '300ms',
  BUCKETS_CONFIRM_INTERVAL: '300ms',
  BUCKETS_SCAN_INTERVAL: '1s',
  BUCKETS_MAX_WATCHED_FOLDERS: String(WATCHED_FOLDERS),
  BUCKETS_SNAPSHOT_BEFORE: '["true"]',
  BUCKETS_SNAPSHOT_AFTER: JSON.stringify(['sh', '-c', 'echo still frozen; exit 3']),
});

let product: Product;
let paused: string[] = [];

beforeAll(async () => {
  product = await Product.start({ services: ['api', 'scheduler', WORKER], settings });
  for (const id of ['atlas', 'steady']) await freshProject(id);
});
afterEach(() => {
  for (const part of paused) product.stack.resume(part);
  paused = [];
});
afterAll(() => product[Symbol.asyncDispose]());

const file = (id: string) => join(product.folder(id), 'project', 'note.txt');

async function freshProject(id: string): Promise<void> {
  await product.newProject(id);
  await writeFile(file(id), 'first');
  await product.backUp(id);
  await becomes(id, 'fresh');
}

/** Stops a part in its tracks, as a machine that hangs does. */
function pause(part: string): void {
  product.stack.pause(part);
  paused.push(part);
}
function resume(part: string): void {
  product.stack.resume(part);
  paused = paused.filter((each) => each !== part);
}

async function becomes(id: string, freshness: Freshness['freshness']): Promise<Freshness> {
  let last: Freshness | undefined;
  const look = async () => {
    last = await product.api.freshness(id);
    return last.freshness === freshness ? last : undefined;
  };
  return until(look, { what: `${id} to be ${freshness}`, withinMs: 40_000 }).catch((error: unknown) => {
    throw new Error(`Last seen: ${JSON.stringify(last)}`, { cause: error });
  });
}

const inTheList = async (id: string) =>
  (await product.api.get<{ items: Project[] }>('/v1/projects?limit=100')).items.find((each) => each.id === id)!
    .freshness;

it('is shown with when it was last confirmed, over and over, without a word in the log', async () => {
  const { confirmedAt: first, statedAt } = await until(async () => {
    const seen = await product.api.freshness('steady');
    return seen.confirmedAt === undefined ? undefined : seen;
  });
  await until(
    async () => Date.parse((await product.api.freshness('steady')).confirmedAt!) > Date.parse(first!) + 1_000,
  );
  expect(await product.api.freshness('steady')).toMatchObject({ freshness: 'fresh', statedAt });
  expect((await inTheList('steady')).confirmedAt).toBeDefined();
});

it.each([
  ['the scheduler', ['scheduler'], /scheduler is silent/],
  ['the scheduler and the host', ['scheduler', WORKER], /scheduler is silent/],
  ['NATS', ['nats'], /scheduler is silent|NATS is away/],
])(
  'is unknown everywhere soon after %s has stopped, changed or not, and true again after',
  async (_, parts, reason) => {
    await product.backUp('atlas');
    await becomes('atlas', 'fresh');
    const { statedAt } = await becomes('steady', 'fresh');
    // All that there is to state of them by now was stated.
    const now = Date.now();
    const isConfirmed = async (id: string) => Date.parse((await product.api.freshness(id)).confirmedAt ?? '') >= now;
    await until(async () => (await isConfirmed('atlas')) && (await isConfirmed('steady')));
    parts.forEach(pause);
    await writeFile(file('atlas'), `changed while nobody listened: ${parts.join()}`);
    for (const id of ['atlas', 'steady']) {
      const seen = await becomes(id, 'unknown');
      expect(seen.reason).toMatch(reason);
      expect(seen).not.toHaveProperty('coveredBy');
      expect(await inTheList(id)).toMatchObject({ freshness: 'unknown', reason: expect.stringMatching(reason) });
      // The last word is as old as the limit, but for what words take on their way.
      expect(Date.now() - Date.parse(seen.confirmedAt!)).toBeGreaterThan(LIMIT_MS / 2);
    }
    await until(async () => {
      const { status, body } = await product.api.call<{ warnings?: object }>('GET', '/health/ready', { token: null });
      return status === 503 || 'freshness' in (body.warnings ?? {});
    });
    parts.forEach(resume);
    await becomes('atlas', 'stale');
    const again = await becomes('steady', 'fresh');
    // A scheduler that stood still does not call hosts silent for that.
    if (parts.includes('scheduler')) expect(again.statedAt).toBe(statedAt);
  },
);

it('is unknown soon after its host has stopped, by the scheduler’s word, which is confirmed', async () => {
  await becomes('steady', 'fresh');
  pause(WORKER);
  await until(async () => {
    const { freshness, reason } = await product.api.freshness('steady');
    return freshness === 'unknown' && reason === 'Its host is silent.';
  });
  resume(WORKER);
  await becomes('steady', 'fresh');
});

it('is fresh as of the last look where there are more folders than can be watched', async () => {
  await product.newProject('wide');
  for (let folder = 0; folder < WATCHED_FOLDERS; folder++)
    await mkdir(join(product.folder('wide'), 'project', `${folder}`));
  await writeFile(file('wide'), 'first');
  await product.backUp('wide');
  await becomes('wide', 'fresh');
  await until(async () => (await product.api.freshness('wide')).confirmedAt !== undefined);
  const first = await becomes('wide', 'fresh');
  expect(first).toMatchObject({ watched: false, reason: expect.stringMatching('when it last looked') });
  expect(Date.parse(first.asOf!)).toBeLessThanOrEqual(Date.parse(first.confirmedAt!));
  await until(async () => Date.parse((await product.api.freshness('wide')).asOf!) > Date.parse(first.asOf!));
  await writeFile(join(product.folder('wide'), 'project', '7', 'new'), 'x');
  await becomes('wide', 'stale');
  await product.backUp('wide');
  expect(await becomes('wide', 'fresh')).toHaveProperty('asOf');
  expect(await becomes('steady', 'fresh')).not.toHaveProperty('asOf');
});

it('is what the backup has made it, though the command after that has failed', async () => {
  await product.start('steady');
  await writeFile(file('steady'), 'second');
  const ended = await product.backUp('steady');
  expect(ended).toMatchObject({
    state: 'succeeded',
    result: { afterCommand: { exitCode: 3, output: 'still frozen\nIt ended with exit code 3.' } },
    left: [expect.stringContaining('may still be frozen')],
  });
  expect((await product.api.backup('steady', ended.result!.backupId)).outcome).toBe('succeeded');
  expect((await becomes('steady', 'fresh')).coveredBy).toBe(ended.result!.backupId);
  await product.stop('steady');
});
