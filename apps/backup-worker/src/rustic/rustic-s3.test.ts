import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { S3ObjectStore } from '@buckets/object-storage';
import { startSeaweedFs, wrongClock, type SeaweedFs } from '@buckets/real-parts';
import { createRepositoryKey } from '@buckets/repository';
import { compareTrees, describeTree } from '@buckets/trees';
import { execa } from 'execa';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFile } from 'node:fs/promises';
import type { S3Access } from './access.js';
import { PASSWORD, PATIENT, TestBench } from './testing/bench.js';

const hasCompiler = !(await execa('cc', ['--version'], { reject: false })).failed;

/** Each test runs rustic several times, on machines that have other things to do. */
jest.setTimeout(60_000);

const BUCKET = 'backups';

let server: SeaweedFs;
let proxy: FaultyProxy;
let bench: TestBench;
let repositories = 0;

beforeAll(async () => {
  server = await startSeaweedFs();
  const access = server.access(BUCKET);
  proxy = await FaultyProxy.before(access.endpoint);
  const store = new S3ObjectStore(access);
  await store.createBucket();
  store.destroy();
}, 60_000);
afterAll(async () => {
  await proxy.close();
  await server[Symbol.asyncDispose]();
});
beforeEach(async () => {
  proxy.fault = undefined;
  bench = await TestBench.make();
  await bench.write('project/a', 'content');
  await bench.write('persist/b', Buffer.alloc(3_000_000, 'b'));
});
afterEach(async () => {
  const leftOvers = await bench.leftOvers();
  await bench[Symbol.asyncDispose]();
  expect(leftOvers).toEqual([]);
});

/** An initialised repository, reached through the proxy. */
async function repository(): Promise<S3Access> {
  const access: S3Access = {
    kind: 's3',
    ...server.access(BUCKET),
    endpoint: proxy.endpoint,
    root: `projects/p${(repositories += 1)}`,
    masterKey: createRepositoryKey(),
  };
  const { objects } = await bench.rustic().initialise(access.masterKey, PASSWORD, PATIENT);
  const store = new S3ObjectStore(server.access(BUCKET));
  for (const { path, bytes } of objects)
    await store.put(`${access.root}/${path}`, bytes, { ifNoneMatch: path === 'config' });
  store.destroy();
  return access;
}

describe('on an S3 server', () => {
  it('a backup comes back, and a second one adds nothing', async () => {
    const access = await repository();
    const first = await bench.rustic().backup(access, bench.order(), PATIENT);
    if (first.outcome !== 'succeeded') throw new Error(JSON.stringify(first));
    const second = await bench.rustic().backup(access, bench.order({ parent: first.snapshotId }), PATIENT);
    expect(second).toMatchObject({ outcome: 'succeeded', summary: { filesUnmodified: 2, bytesAdded: 0 } });
    expect(await bench.rustic().restore(access, first.snapshotId, bench.path('restored'), PATIENT)).toMatchObject({
      outcome: 'succeeded',
      files: 2,
    });
    const [was, is] = [await describeTree(bench.root), await describeTree(bench.path('restored'))];
    expect(compareTrees(was, is, { topFolder: false })).toEqual([]);
    expect(await bench.rustic().check(access, PATIENT, { readData: { n: 0, of: 1 } })).toMatchObject({
      outcome: 'sound',
    });
    expect(await bench.rustic().snapshots(access, PATIENT)).toHaveLength(2);
  });

  it('a backup without a parent lists no snapshots: it would compare with one that may be no backup', async () => {
    const access = await repository();
    await bench.rustic().backup(access, bench.order(), PATIENT);
    proxy.seen.length = 0;
    expect(await bench.rustic().backup(access, bench.order(), PATIENT)).toMatchObject({
      outcome: 'succeeded',
      summary: { filesNew: 2, filesUnmodified: 0, bytesAdded: 0 },
    });
    expect(proxy.seen.filter((line) => line.includes('snapshots/') && !line.startsWith('PUT'))).toEqual([]);
  });

  it('a backup with a given parent neither lists nor reads the other snapshots', async () => {
    const access = await repository();
    const first = await bench.rustic().backup(access, bench.order(), PATIENT);
    if (first.outcome !== 'succeeded') throw new Error(JSON.stringify(first));
    proxy.seen.length = 0;
    await bench.rustic().backup(access, bench.order({ parent: first.snapshotId }), PATIENT);
    expect(proxy.seen.map((line) => line.replace(/[0-9a-f]{64}/, '<id>'))).toEqual([
      `HEAD /${BUCKET}/${access.root}/config`,
      `GET /${BUCKET}/${access.root}/config`,
      `GET /${BUCKET}?list-type=2&prefix=${access.root}/index/`,
      `PUT /${BUCKET}/${access.root}/snapshots/<id>`,
    ]);
  });

  it('an answer that says to slow down passes, and does not make a backup partial', async () => {
    const access = await repository();
    let times = 1;
    proxy.fault = (method, url) =>
      method === 'PUT' && url.includes('/data/') && times-- > 0 ? [503, 'SlowDown'] : undefined;
    expect(await bench.rustic().backup(access, bench.order(), PATIENT)).toMatchObject({ outcome: 'succeeded' });
    expect(times).toBeLessThan(1);
  });

  it.each([
    ['storage-throttled', true, 503, 'SlowDown'],
    ['storage-failing', true, 500, 'InternalError'],
    ['access-denied', false, 403, 'AccessDenied'],
    ['access-expired', true, 400, 'ExpiredToken'],
    ['storage-full', false, 507, 'InsufficientStorage'],
  ] as const)('an upload ends as %s when each answer says so', async (failureClass, canPass, status, code) => {
    const access = await repository();
    proxy.fault = (method, url) => (method === 'PUT' && url.includes('/data/') ? [status, code] : undefined);
    const rustic = bench.rustic({ limits: { storageRetries: 0 } });
    expect(await rustic.backup(access, bench.order(), PATIENT)).toMatchObject({
      outcome: 'failed',
      class: failureClass,
      canPass,
    });
    proxy.fault = undefined;
    expect(await rustic.snapshots(access, PATIENT)).toEqual([]);
  });

  it('a listing that fails is a failure, and neither an empty repository nor a reason to prune all', async () => {
    const access = await repository();
    const rustic = bench.rustic({ limits: { storageRetries: 0 } });
    const made = await rustic.backup(access, bench.order(), PATIENT);
    if (made.outcome !== 'succeeded') throw new Error(JSON.stringify(made));
    proxy.fault = (method, url) =>
      url.includes('list-type=2') && url.includes('/snapshots/') ? [503, 'ServiceUnavailable'] : undefined;
    for (const call of [rustic.snapshots(access, PATIENT), rustic.prune(access, PATIENT)]) {
      await expect(call).rejects.toMatchObject({ code: 'rustic-storage-throttled' });
    }
    expect(await rustic.check(access, PATIENT)).toMatchObject({ outcome: 'failed', class: 'storage-throttled' });
    proxy.fault = undefined;
    expect(await rustic.prune(access, PATIENT)).toMatchObject({ marked: 0, stillMarked: 0, removed: 0 });
  });

  it('wrong credentials, a bucket that is not there and a server that is away are told apart', async () => {
    const access = await repository();
    const rustic = bench.rustic({ limits: { storageRetries: 0 } });
    const backup = (changed: Partial<S3Access>) => rustic.backup({ ...access, ...changed }, bench.order(), PATIENT);
    expect(await backup({ secretAccessKey: 'wrong' })).toMatchObject({ outcome: 'failed', class: 'access-denied' });
    expect(await backup({ bucket: 'nothing' })).toMatchObject({ outcome: 'failed', class: 'repository-missing' });
    expect(await backup({ endpoint: 'http://127.0.0.1:1' })).toMatchObject({
      outcome: 'failed',
      class: 'storage-unreachable',
    });
  });

  (hasCompiler ? it : it.skip).each([
    [20, '20 minutes ahead'],
    [-20, '20 minutes behind'],
  ])('a clock that is off by %i minutes is called so, and by how much', async (minutes, words) => {
    const access = await repository();
    // rustic's clock is wrong, and the worker's with it.
    const environment = await wrongClock(bench.folder, { aheadSeconds: minutes * 60 });
    const now = Date.now.bind(Date);
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => now() + minutes * 60_000);
    try {
      const rustic = bench.unconfined({ environment, limits: { storageRetries: 0 } });
      expect(await rustic.backup(access, bench.order(), PATIENT)).toMatchObject({
        outcome: 'failed',
        class: 'clock-skewed',
        canPass: false,
        reason: expect.stringContaining(`It is ${words}.`),
      });
      await expect(rustic.snapshots(access, PATIENT)).rejects.toMatchObject({ code: 'rustic-clock-skewed' });
      const temporary = { ...access, sessionToken: 'token' };
      expect(await rustic.backup(temporary, bench.order(), PATIENT)).toMatchObject({ class: 'clock-skewed' });
    } finally {
      clock.mockRestore();
    }
    expect(await bench.rustic().backup(access, bench.order(), PATIENT)).toMatchObject({ outcome: 'succeeded' });
  });

  it('no secret is in the arguments or the environment of the process, nor in what went wrong', async () => {
    const access = await repository();
    proxy.fault = (method) => (method === 'PUT' ? 'never' : undefined);
    const abort = new AbortController();
    const running = bench.rustic().backup(access, bench.order(), { ...PATIENT, signal: abort.signal });
    const pid = await bench.runningProcess();
    const seen = await Promise.all(['cmdline', 'environ'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8')));
    abort.abort();
    const shown = seen.join() + JSON.stringify(await running);
    const { encrypt, mac } = JSON.parse(access.masterKey) as { encrypt: string; mac: { k: string; r: string } };
    for (const secret of [access.secretAccessKey, encrypt, mac.k, mac.r]) expect(shown).not.toContain(secret);
  });
});

type Fault = (method: string, url: string) => [status: number, code: string] | 'never' | undefined;

/** Passes requests on, signature and all, unless a fault is wanted in place of the answer. */
class FaultyProxy {
  fault: Fault | undefined;
  readonly seen: string[] = [];

  private constructor(private readonly server: Server) {}

  static async before(target: string): Promise<FaultyProxy> {
    const server = createServer();
    const proxy = new FaultyProxy(server);
    server.on('request', (incoming, outgoing) => {
      const { method = '', url = '', headers } = incoming;
      proxy.seen.push(`${method} ${url}`);
      const fault = proxy.fault?.(method, url);
      if (fault === 'never') return;
      if (fault) {
        incoming.resume();
        outgoing.writeHead(fault[0], { 'content-type': 'application/xml' });
        outgoing.end(`<?xml version="1.0"?><Error><Code>${fault[1]}</Code><Message>as ordered</Message></Error>`);
        return;
      }
      const { hostname, port } = new URL(target);
      const passed = request({ hostname, port, method, path: url, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.rawHeaders);
        answer.pipe(outgoing);
      });
      passed.on('error', () => outgoing.destroy());
      incoming.pipe(passed);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
