import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { findTool } from '@buckets/real-parts';
import { changeTree, compareTrees, describeTree, growTree, removeTree, type TreeDescription } from '@buckets/trees';
import { execa } from 'execa';
import fc from 'fast-check';

jest.setTimeout(300_000);

const ours = await findTool('rustic');
const stock = await findTool('rustic-stock').catch(() => undefined);
const restic = await findTool('restic').catch(() => undefined);
const isOurs = (await execa(ours, ['--version'])).stdout.includes('+buckets.');

let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'buckets-our-rustic-'))));
afterEach(() => removeTree(folder));

const at = (...parts: string[]) => join(folder, ...parts);

/** Runs rustic on a repository in the folder. @returns what it printed */
async function rustic(program: string, repository: string, ...args: string[]): Promise<string> {
  const env = { RUSTIC_REPOSITORY: at(repository), RUSTIC_PASSWORD: 'secret', RUSTIC_NO_CACHE: 'true', HOME: folder };
  const { stdout, stderr } = await execa(program, ['--no-progress', '--log-level', 'warn', ...args], { env });
  expect(stderr).toBe('');
  return stdout;
}

const backup = (program: string, repository: string) =>
  rustic(program, repository, ...'backup --as-path / --host here --command none --json'.split(' '), at('source'));

async function runRestic(repository: string, ...args: string[]): Promise<string> {
  const env = {
    RESTIC_REPOSITORY: at(repository),
    RESTIC_PASSWORD: 'secret',
    HOME: folder,
    XDG_CACHE_HOME: at('cache'),
  };
  return (await execa(restic!, args, { env, cwd: at('source') })).stdout;
}

/** What a repository holds, as far as two programs that do the same cannot differ in it. */
async function contentOf(repository: string): Promise<{ blobs: string[]; snapshot: Record<string, unknown> }> {
  const blobs = (await rustic(stock!, repository, 'list', 'blobs')).split('\n').toSorted();
  const groups = JSON.parse(await rustic(stock!, repository, 'snapshots', '--json')) as { snapshots: Snapshot[] }[];
  const snapshot = groups
    .flatMap(({ snapshots }) => snapshots)
    .toSorted(byTime)
    .at(-1)!;
  const {
    id: _id,
    original: _original,
    time: _time,
    program_version: _version,
    parent: _parent,
    parents: _parents,
    summary,
    ...rest
  } = snapshot;
  const { backup_start: _s, backup_end: _e, backup_duration: _b, total_duration: _t, ...counted } = summary;
  // A frame of zstd tells its length or does not: some bytes of each blob.
  const lengths = Object.keys(counted).filter((name) => name.endsWith('_packed'));
  for (const name of lengths) delete counted[name];
  return { blobs, snapshot: { ...rest, summary: counted } };
}

const byTime = (one: Snapshot, other: Snapshot) => (one.time < other.time ? -1 : 1);

interface Snapshot extends Record<string, unknown> {
  time: string;
  summary: Record<string, unknown>;
}

/** Sizes around which what is done changes: nothing, a small blob, the smallest and the largest chunk. */
const KIB = 1024;
const size = fc.oneof(
  ...[0, 64 * KIB, 512 * KIB, 1024 * KIB, 8 * 1024 * KIB].map((edge) =>
    fc.integer({ min: Math.max(0, edge - 2), max: edge + 2 }),
  ),
  fc.integer({ min: 0, max: 3 * 1024 * KIB }),
);
const around = (edge: number) => fc.integer({ min: edge - 2, max: edge + 2 });
const file = fc.record({ size, content: fc.constantFrom('random', 'zeros', 'text', 'repeated') });
const tree = fc.record({
  seed: fc.integer({ min: 1, max: 1_000_000 }),
  smallFiles: fc.integer({ min: 0, max: 150 }),
  hardCases: fc.boolean(),
  files: fc.array(file, { maxLength: 8 }),
  /** A file with holes: how long each is, and what stands after it, around the sizes of pages and chunks. */
  sparse: fc.array(fc.record({ hole: fc.oneof(size, around(4 * KIB)), data: fc.oneof(size, around(4 * KIB)) }), {
    maxLength: 6,
  }),
});
type Tree = (typeof tree)['generate'] extends (...args: never[]) => { value: infer T } ? T : never;

async function grow({ seed, smallFiles, hardCases, files, sparse }: Tree): Promise<void> {
  await rm(at('source'), { recursive: true, force: true });
  await growTree(at('source'), { seed, smallFiles, bytes: 0, hardCases, sparseBytes: 3_000_000 });
  await mkdir(at('source', 'edges'), { recursive: true });
  for (const [index, { size, content }] of files.entries()) {
    await writeFile(at('source', 'edges', String(index)), bytesOf(size, content));
  }
  await using image = await open(at('source', 'edges', 'image'), 'w');
  let end = 0;
  for (const { hole, data } of sparse) {
    end += hole;
    await image.truncate(end);
    await image.write(bytesOf(data, 'random'), 0, data, end);
    end += data;
  }
}

function bytesOf(size: number, content: string): Buffer {
  if (content === 'random') return randomFillSync(Buffer.alloc(size));
  if (content === 'zeros' || size === 0) return Buffer.alloc(size);
  if (content === 'text') return Buffer.alloc(size, 'the quick brown fox jumps over the lazy dog. ');
  return Buffer.alloc(size, randomFillSync(Buffer.alloc(Math.min(size, 700 * KIB))));
}

const comparable = stock !== undefined && isOurs;

(comparable ? describe : describe.skip)('our rustic beside the stock program', () => {
  it('makes the very same blobs, trees and snapshots, and each goes on from the other', async () => {
    await fc.assert(
      fc.asyncProperty(tree, async (grown) => {
        for (const made of ['ours', 'stock', 'restored']) await removeTree(at(made));
        await grow(grown);
        await rustic(stock!, 'ours', 'init');
        // The same polynomial, so the same chunks.
        await cp(at('ours'), at('stock'), { recursive: true });
        await backup(ours, 'ours');
        await backup(stock!, 'stock');
        expect(await contentOf('ours')).toEqual(await contentOf('stock'));

        await changeTree(at('source'), grown.seed);
        await backup(stock!, 'ours');
        await backup(ours, 'stock');
        expect(await contentOf('ours')).toEqual(await contentOf('stock'));

        const wanted = await describeTree(at('source'));
        for (const [program, repository] of [
          [ours, 'ours'],
          [stock!, 'stock'],
        ] as const) {
          await rustic(program, repository, 'check', '--read-data');
          await rustic(program, repository, 'restore', '--numeric-id', 'latest', at('restored'));
          const differences = compareTrees(wanted, await describeTree(at('restored')), {
            allocated: 'ignore',
            topFolder: false,
          });
          expect(differences).toEqual([]);
          await removeTree(at('restored'));
        }
      }),
      { numRuns: 4 },
    );
  });
});

(isOurs && restic !== undefined ? describe : describe.skip)('our rustic beside restic', () => {
  const compared = async (wanted: TreeDescription) =>
    compareTrees(wanted, await describeTree(at('restored')), { allocated: 'ignore', topFolder: false });
  const text = { size: 2 * 1024 * KIB, content: 'text' } as const;
  const random = { ...text, content: 'random' } as const;
  const sparse = [{ hole: 3 * 1024 * KIB, data: 5 }];

  it('reads what restic has written', async () => {
    await grow({ seed: 5, smallFiles: 120, hardCases: false, files: [random, text], sparse });
    await runRestic('repository', 'init');
    await runRestic('repository', 'backup', '.');
    await rustic(ours, 'repository', 'restore', '--numeric-id', 'latest', at('restored'));
    expect(await compared(await describeTree(at('source')))).toEqual([]);
  });

  it('writes what restic reads, also when packs were written anew by a prune', async () => {
    // restic 0.14 brings back neither all names of links nor all times.
    await grow({ seed: 6, smallFiles: 120, hardCases: false, files: [random, text, random], sparse });
    const wanted = await describeTree(at('source'));
    await growTree(at('source', 'passing'), { seed: 7, smallFiles: 90, bytes: 9e6, hardCases: false });
    await runRestic('repository', 'init');
    await backup(ours, 'repository');
    await removeTree(at('source', 'passing'));
    await backup(ours, 'repository');
    const packs = async () => (await rustic(ours, 'repository', 'list', 'packs')).split('\n').toSorted();
    const before = await packs();
    await rustic(ours, 'repository', 'forget', 'latest~1');
    await rustic(ours, 'repository', 'prune', '--instant-delete', '--max-unused', '0');
    const after = await packs();
    expect(after.some((pack) => !before.includes(pack))).toBe(true);
    expect(await runRestic('repository', 'check', '--read-data')).toContain('no errors were found');
    await runRestic('repository', 'restore', 'latest', '--target', at('restored'));
    expect(await compared(wanted)).toEqual([]);
  });
});

(isOurs ? describe : describe.skip)('our rustic, when something goes wrong inside of it,', () => {
  it('makes no snapshot that lacks a file, whichever allocation fails', async () => {
    await grow({ seed: 8, smallFiles: 150, hardCases: false, files: [], sparse: [] });
    await writeFile(at('shim.c'), FAILING_ALLOCATION);
    await execa('cc', ['-shared', '-fPIC', '-O1', '-o', at('shim.so'), at('shim.c'), '-ldl']);
    const outcomes = { failed: 0, made: 0 };
    for (let failing = 1; failing <= 14; failing++) {
      await removeTree(at('repository'));
      await rustic(ours, 'repository', 'init');
      const env = { LD_PRELOAD: at('shim.so'), FAILING: String(failing) };
      const args = ['-r', at('repository'), '--password-command', 'echo secret', '--no-cache', '--no-progress'];
      const { failed } = await execa(ours, [...args, 'backup', '--as-path', '/', at('source')], { env, reject: false });
      const ids = await rustic(ours, 'repository', 'list', 'snapshots');
      expect(ids === '').toBe(failed);
      outcomes[failed ? 'failed' : 'made']++;
      if (failed) continue;
      await rustic(ours, 'repository', 'restore', '--numeric-id', 'latest', at('restored'));
      const [is, wanted] = await Promise.all([describeTree(at('restored')), describeTree(at('source'))]);
      expect([...is.keys()].toSorted()).toEqual([...wanted.keys()].toSorted());
      await removeTree(at('restored'));
    }
    expect(outcomes.failed).toBeGreaterThan(0);
  });

  it('speaks TLS with a storage whose certificate it knows, and with no other', async () => {
    const names = [
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-addext',
      'basicConstraints=CA:FALSE',
    ];
    const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    await execa('openssl', [...kind, ...names, '-keyout', at('key'), '-out', at('certificate')]);
    const keys = { key: await readFile(at('key')), cert: await readFile(at('certificate')) };
    await using storage = await storageThat('https', (answer) => createTlsServer(keys, answer));
    expect((await storage.ask({ SSL_CERT_FILE: '/etc/ssl/certs/ca-certificates.crt' })).stderr).toMatch(/certificate/i);
    expect(storage.heard).toEqual([]);
    await storage.ask({ SSL_CERT_FILE: at('certificate') });
    expect(storage.heard.length).toBeGreaterThan(0);
  });

  it('needs no certificates where a storage speaks without TLS', async () => {
    await using storage = await storageThat('http', (answer) => createServer(answer));
    await storage.ask({ SSL_CERT_FILE: at('none'), SSL_CERT_DIR: at('none') });
    expect(storage.heard.length).toBeGreaterThan(0);
  });
});

/** A storage on the loopback that has nothing, which rustic can be had to look at. */
async function storageThat(scheme: 'http' | 'https', serverOf: (answer: RequestListener) => Server) {
  const heard: string[] = [];
  const server = serverOf(({ url }, response) => {
    heard.push(url!);
    response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const options = {
    endpoint: `${scheme}://127.0.0.1:${port}`,
    region: 'x',
    bucket: 'b',
    access_key_id: 'k',
    retry: '0',
  };
  const lines = Object.entries({ ...options, secret_access_key: 's', disable_config_load: 'true' });
  const profile = [
    '[repository]\nrepository = "opendal:s3"\npassword = "x"\nno-cache = true\n[repository.options]',
    ...lines.map(([key, value]) => `${key} = "${value}"`),
  ];
  await writeFile(at('storage.toml'), profile.join('\n'));
  return {
    heard,
    ask: (certificates: Partial<Record<'SSL_CERT_FILE' | 'SSL_CERT_DIR', string>>) =>
      execa(ours, ['-P', at('storage'), 'snapshots'], { env: { ...certificates, HOME: folder }, reject: false }),
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

/** The allocation with the number FAILING of those that a context of zstd may be fails. */
const FAILING_ALLOCATION = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
static atomic_int seen;
void *malloc(size_t size) {
  static void *(*next)(size_t);
  if (!next) next = dlsym(RTLD_NEXT, "malloc");
  const char *failing = getenv("FAILING");
  if (failing && size >= 96 * 1024 && size < 4 * 1024 * 1024 && ++seen == atoi(failing)) return NULL;
  return next(size);
}
`;
