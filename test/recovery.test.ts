import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { randomBytes, randomUUID } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { STREAM, type Phase } from '@buckets/contracts';
import { compareTrees, describeTree, differenceText, type TreeDescription } from '@buckets/trees';
import type { NatsConnection } from '@nats-io/transport-node';
import { until } from '../stack/src/index.js';
import type { Operation } from './running/api.js';
import { rowsIn } from './running/database.js';
import { growHardTree } from './running/hard-tree.js';
import { connectAsAdmin, messagesOf, withStreams } from './running/log.js';
import { OperatorsCommand } from './running/operators-command.js';
import { hasRestic, restic } from './running/plain-tools.js';
import { processesOf, Product } from './running/product.js';
import { keysOf, snapshotsOf } from './running/repositories.js';

jest.setTimeout(120_000);

/** Enough for an upload that is still going on when it is looked at. */
const MUCH = 240_000_000;
/** Not so little that the project counts as shrunken. */
const LITTLE = 40_000_000;

let product: Product;
let command: OperatorsCommand;
let folder: string;
let nats: NatsConnection;
const heard: string[] = [];
const commandLines = new Set<string>();
const watching = new AbortController();
let watch: Promise<void>;

beforeAll(async () => {
  product = await Product.start({
    settings: (dataDir) => {
      command = new OperatorsCommand(dataDir);
      return command.install();
    },
  });
  watch = noteCommandLines();
  product.api.onAnswer = (method, path, { body }) => {
    if (path !== '/v1/api-keys' || method !== 'POST')
      heard.push(body instanceof Uint8Array ? '' : JSON.stringify(body));
  };
  nats = await connectAsAdmin(product);
  await product.newProject('atlas');
  folder = product.folder('atlas');
  await growHardTree(join(folder, 'project'), { seed: 4, smallFiles: 300, bytes: 0, sparseBytes: 10_000_000 });
});
afterAll(async () => {
  watching.abort();
  await watch;
  await nats.close();
  await product[Symbol.asyncDispose]();
});

/** The moments in which something dies, by what the host tells of its progress. */
type Moment = 'accepted' | Phase;

describe('a backup ends, and there is one of it, when', () => {
  it.each<[part: string, at: Moment]>([
    ['worker-eu-1', 'uploading'],
    ['api', 'accepted'],
    ['scheduler', 'uploading'],
  ])('%s dies at the moment: %s', async (part, at) => {
    const picture = await change(MUCH);
    const { id } = await killedAt(at, part, '/v1/projects/atlas/backups');
    await product.stack.restart(part);
    await endsAsOneBackup(id, 'succeeded');
    expect(await differences(picture)).toEqual([]);
  });

  it('the worker dies between the snapshot and its claim', async () => {
    await change(MUCH);
    const known = await snapshotIds();
    const { id } = await product.api.ask('/v1/projects/atlas/backups');
    await until(async () => (await snapshotIds()).length > known.length, { what: 'a snapshot', withinMs: 30_000 });
    await product.stack.kill('worker-eu-1');
    await product.stack.restart('worker-eu-1');
    // What it had to say of unreadable files may be lost with it.
    await endsAsOneBackup(id, expect.stringMatching(/^(succeeded|partial)$/));
  });

  it('the API is away until the host has done its part', async () => {
    await change(MUCH);
    const linesBefore = product.lines.length;
    const { id } = await killedAt('uploading', 'api', '/v1/projects/atlas/backups');
    const hasEnded = ({ line }: { line: string }) => line.includes(id) && line.includes('attempt has ended');
    await until(() => product.lines.slice(linesBefore).some(hasEnded), {
      what: 'the end of the attempt',
      withinMs: 30_000,
    });
    await product.stack.restart('api');
    await endsAsOneBackup(id, 'succeeded');
  });

  async function endsAsOneBackup(operationId: string, state: unknown): Promise<void> {
    const operation = await product.api.ended(operationId);
    expect(operation).toMatchObject({ state });
    const ofIt = (await snapshotsOf(product, 'atlas')).filter(({ tags }) => tags.includes(`operation:${operationId}`));
    expect(ofIt.map(({ id }) => id)).toEqual([operation.result?.backupId]);
    expect((await product.api.backups('atlas')).filter((backup) => backup.operationId === operationId)).toHaveLength(1);
    await noRusticIsLeft();
  }
});

describe('a restore brings back all of it, when', () => {
  it.each<[part: string, at: Moment]>([
    ['worker-eu-1', 'restoring'],
    ['worker-eu-1', 'switching'],
    ['api', 'restoring'],
  ])('%s dies at the moment: %s', async (part, at) => {
    const picture = await change(LITTLE);
    const { result } = await product.backUp('atlas');
    await writeFile(join(folder, 'project', 'load'), 'changed since');

    const { id } = await killedAt(at, part, `/v1/projects/atlas/backups/${result?.backupId}/restore`);
    await product.stack.restart(part);
    expect(await product.api.ended(id)).toMatchObject({
      state: 'succeeded',
      result: { restore: { backupId: result?.backupId, roots: ['project', 'persist'] } },
    });
    expect(await differences(picture)).toEqual([]);
    await noRusticIsLeft();
  });
});

describe('a start brings back what is missing, and the project runs, when', () => {
  it.each<[part: string, at: Moment]>([
    ['worker-eu-1', 'hook'],
    ['api', 'switching'],
    ['scheduler', 'restoring'],
  ])('%s dies at the moment: %s', async (part, at) => {
    const picture = await change(LITTLE);
    const { result } = await product.backUp('atlas');
    await rm(folder, { recursive: true });

    const { id } = await killedAt(at, part, '/v1/projects/atlas/start');
    await product.stack.restart(part);
    expect(await product.api.ended(id)).toMatchObject({
      state: 'succeeded',
      result: { restore: { backupId: result?.backupId } },
    });
    expect(await command.told('start', 'atlas')).toMatchObject({ BUCKETS_PROJECT_ID: 'atlas' });
    expect(await product.api.project('atlas')).toMatchObject({ running: true, provisioned: true });
    expect(await differences(picture)).toEqual([]);
    await noRusticIsLeft();
    await product.stop('atlas');
  });
});

describe('afterwards', () => {
  it('every operation has ended, once', async () => {
    const { items } = await product.api.get<{ items: Operation[] }>('/v1/operations?limit=500');
    expect(items.filter(({ endedAt }) => endedAt === undefined)).toEqual([]);
    const endings = new Map<string, number>();
    for (const { subject, text } of await messagesOf(product, STREAM.log)) {
      if (!/-(succeeded|partial|failed|cancelled|expired)$/.test(subject)) continue;
      const { operationId } = dataOf<{ operationId: string }>(text);
      endings.set(operationId, (endings.get(operationId) ?? 0) + 1);
    }
    expect([...endings.entries()].filter(([, times]) => times !== 1)).toEqual([]);
    expect(endings.size).toBe(items.length);
  });

  it('nothing half done is left on the host', async () => {
    expect(await product.leftOn()).toEqual([]);
  });

  (hasRestic ? it : it.skip)('the repository is whole, in the eyes of restic', async () => {
    expect(await restic(product, 'atlas', ['check', '--read-data'])).toContain('no errors were found');
  });
});

describe('no secret is', () => {
  let secrets: { what: string; secret: string }[];

  beforeAll(async () => {
    const { token } = await product.api.post<{ token: string }>('/v1/api-keys', {
      name: 'k',
      scopes: ['projects:read'],
    });
    await product.api.call('GET', '/v1/projects', { token });
    await product.api.call('GET', '/v1/api-keys');
    secrets = [
      ...(await secretsOfStack()),
      ...(await secretsOfProject()),
      { what: 'token of an API key', secret: token },
    ];
    expect(secrets.length).toBeGreaterThan(15);
    expect(foundIn([JSON.stringify(product.stack.access)])).toEqual(expect.arrayContaining(['admin.token']));
  });

  const foundIn = (texts: Iterable<string>) =>
    [...texts].flatMap((text) => secrets.filter(({ secret }) => text.includes(secret)).map(({ what }) => what));

  it('in a log', () => {
    expect(product.lines.length).toBeGreaterThan(50);
    expect(foundIn(product.lines.map(({ line }) => line))).toEqual([]);
  });

  it('in the arguments of a process', () => {
    const commands = [...commandLines];
    for (const program of ['rustic', 'nats-server', 'postgres', 'weed', 'node']) {
      expect(commands.some((line) => line.includes(program))).toBe(true);
    }
    expect(foundIn(commands)).toEqual([]);
  });

  it('in a message of any stream', async () => {
    const names = await withStreams(product, async ({ streams }) => {
      const found: string[] = [];
      for await (const { config } of streams.list()) found.push(config.name);
      return found;
    });
    expect(names).toEqual(expect.arrayContaining(Object.values(STREAM)));
    for (const name of names) {
      const messages = await messagesOf(product, name);
      expect(foundIn(messages.map(({ text }) => text))).toEqual([]);
    }
  });

  it('in an answer of the API', () => {
    expect(heard.length).toBeGreaterThan(100);
    expect(foundIn(heard)).toEqual([]);
  });

  it('in what a snapshot says of itself', async () => {
    const snapshots = await snapshotsOf(product, 'atlas');
    const text = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);
    expect(foundIn(snapshots.map((snapshot) => JSON.stringify(snapshot, text)))).toEqual([]);
    for (const { summary } of snapshots) expect(summary?.['command']).toBe('buckets backup');
  });

  it('in the database, other than wrapped', async () => {
    const rows = await rowsIn(product, ['api', 'scheduler', 'vault', 'public']);
    expect(Object.keys(rows).length).toBeGreaterThan(10);
    expect(foundIn(Object.values(rows).flat())).toEqual([]);
  });

  it('in what the worker keeps on its host', async () => {
    const own = join(product.dataRoot('eu-1'), '.buckets');
    // The trash has people's files, with names that are no text.
    const places = (await readdir(own, { withFileTypes: true })).filter(({ name }) => name !== 'trash');
    const entries = await Promise.all(
      places.map(async (place) =>
        place.isDirectory() ? readdir(join(own, place.name), { recursive: true, withFileTypes: true }) : [place],
      ),
    );
    const files = entries.flat().filter((entry) => entry.isFile());
    const texts = files.map(({ parentPath, name }) => readFile(join(parentPath, name), 'latin1'));
    expect(texts.length).toBeGreaterThan(0);
    expect(foundIn(await Promise.all(texts))).toEqual([]);
  });

  async function secretsOfStack() {
    const folder = join(product.dataDir, 'secrets');
    const files = (await readdir(folder)).filter((name) => !name.endsWith('.url'));
    const texts = await Promise.all(
      files.map(async (what) => ({ what, text: await readFile(join(folder, what), 'utf8') })),
    );
    return texts.flatMap(({ what, text }) => {
      // A credentials file holds a seed among much that is public; a key of S3 its secret beside its name.
      const seed = /\bS[UAOX]\w{40,}/.exec(text)?.[0];
      const s3 = /"secretAccessKey":"([^"]+)"/.exec(text)?.[1];
      return [{ what, secret: seed ?? s3 ?? text.trim() }];
    });
  }

  async function secretsOfProject() {
    const { repositoryKey, recoveryPassword, dataKey } = await keysOf(product, 'atlas');
    const { encrypt, mac } = repositoryKey;
    return [
      { what: 'key that encrypts', secret: encrypt },
      { what: 'key that authenticates (k)', secret: mac.k },
      { what: 'key that authenticates (r)', secret: mac.r },
      { what: 'recovery password', secret: recoveryPassword },
      { what: 'data key', secret: Buffer.from(dataKey).toString('base64') },
    ];
  }
});

/** Puts content into the project that no repository has seen. */
async function change(bytes: number): Promise<TreeDescription> {
  await writeFile(join(folder, 'project', 'load'), randomBytes(bytes));
  return describeTree(folder);
}

async function differences(expected: TreeDescription): Promise<string[]> {
  const options = { allocated: { notMoreThanBy: 8 * 2 ** 20 }, topFolder: false };
  return compareTrees(expected, await describeTree(folder), options).map(differenceText);
}

async function snapshotIds(): Promise<string[]> {
  return (await snapshotsOf(product, 'atlas')).map(({ id }) => id);
}

/**
 * Asks for work, and kills a part in the moment in which the host tells that the work has got so far. Who has no answer
 * by then asks again, under the same key.
 */
async function killedAt(at: Moment, part: string, path: string): Promise<Operation> {
  const told = nats.subscribe('buckets.progress.eu-1.>');
  await nats.flush();
  let killed: Promise<void> | undefined;
  const killing = (async () => {
    for await (const message of told) {
      const { phase, bytesDone } = dataOf<{ phase: Phase; bytesDone: number }>(message.string());
      if (phase === at && (phase !== 'uploading' || bytesDone > 0)) killed ??= product.stack.kill(part);
    }
  })();
  const headers = { 'idempotency-key': `${part}-${at}-${randomUUID()}` };
  const ask = () => product.api.ask(path, {}, headers);
  const operation = await ask().catch(async (error: unknown) => {
    if (killed === undefined) throw error;
    await killed;
    await product.stack.restart(part);
    return ask();
  });
  if (at === 'accepted') killed = product.stack.kill(part);
  await until(() => killed !== undefined, { what: `the phase ${at}`, withinMs: 30_000 });
  told.unsubscribe();
  await killing;
  await killed;
  return operation;
}

/** The data of a message in its envelope. */
function dataOf<Data>(text: string): Data {
  return (JSON.parse(text.slice(text.indexOf('{'))) as { data: Data }).data;
}

/** A rustic whose worker has died goes with it, or is ended by the next one. */
async function noRusticIsLeft(): Promise<void> {
  const running = (await processesOf(product.dataDir)).filter(({ command }) => /\/rustic\b/.test(command));
  expect(running).toEqual([]);
}

/** Looks over and over at the arguments of all that runs. */
async function noteCommandLines(): Promise<void> {
  while (!watching.signal.aborted) {
    for (const { command } of await processesOf(product.dataDir)) commandLines.add(command);
    await pause(100);
  }
}
