import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { findTool } from '@buckets/real-parts';
import { createRepositoryKey } from '@buckets/repository';
import { until } from '@buckets/patience';
import { compareTrees, describeTree, growTree, type Difference } from '@buckets/trees';
import { execa } from 'execa';
import { readFileSync } from 'node:fs';
import {
  chmod,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { RusticProgress } from './progress.js';
import { RusticStopped } from './outcome.js';
import { PASSWORD, PATIENT, TestBench, WAITED_FOR } from './testing/bench.js';

const isRoot = process.geteuid?.() === 0;
const restic = await findTool('restic').catch(() => undefined);
const canMount = isRoot && (await execa('unshare', ['--mount', 'true'], { reject: false })).exitCode === 0;
const onlyAsRoot = isRoot ? it : it.skip;

/** Each test runs rustic several times, on machines that have other things to do. */
jest.setTimeout(60_000);

let bench: TestBench;
beforeEach(async () => (bench = await TestBench.make()));
afterEach(async () => {
  const leftOvers = await bench.leftOvers();
  await bench[Symbol.asyncDispose]();
  expect(leftOvers).toEqual([]);
});

describe('a new repository', () => {
  it('opens with the master key, and with the recovery password in plain rustic and restic', async () => {
    const masterKey = createRepositoryKey();
    const { configId, objects } = await bench.rustic().initialise(masterKey, PASSWORD, PATIENT);
    expect(objects.map(({ path }) => path)).toEqual([expect.stringMatching(/^keys\/[0-9a-f]{64}$/), 'config']);
    const folder = bench.path('stored');
    for (const name of ['data', 'index', 'keys', 'snapshots']) await mkdir(join(folder, name), { recursive: true });
    for (const { path, bytes } of objects) await writeFile(join(folder, path), bytes);

    expect(await bench.rustic().snapshots({ kind: 'local', folder, masterKey }, PATIENT)).toEqual([]);
    const env = { RUSTIC_REPOSITORY: folder, RUSTIC_PASSWORD: PASSWORD, RUSTIC_NO_CACHE: 'true', HOME: bench.folder };
    const { stdout } = await execa(await findTool('rustic'), ['cat', 'config'], { env });
    expect(JSON.parse(stdout)).toMatchObject({ version: 2, id: configId });
    if (restic)
      await execa(restic, ['-r', folder, '--no-lock', '--no-cache', 'snapshots'], {
        env: { RESTIC_PASSWORD: PASSWORD },
      });
  });

  it('needs a password of one line and a key that is one', async () => {
    await expect(bench.rustic().initialise(createRepositoryKey(), 'two\nlines', PATIENT)).rejects.toThrow(RangeError);
    await expect(bench.rustic().initialise('{', PASSWORD, PATIENT)).rejects.toMatchObject({ code: 'rustic-wrong-key' });
  });
});

describe('a backup', () => {
  it('brings everything back as it was', async () => {
    await growTree(join(bench.root, 'project'), {
      seed: 7,
      smallFiles: 150,
      bytes: 9_000_000,
      hardCases: true,
      sparseBytes: 100_000_000,
    });
    await bench.write('persist/state.db', 'persisted');
    const access = await bench.repository();
    const seen: RusticProgress[] = [];
    const made = await bench
      .rustic()
      .backup(access, bench.order(), { ...PATIENT, onProgress: (p) => void seen.push(p) });
    expect(made).toMatchObject({ outcome: 'succeeded', notes: { total: 0 } });
    expect(seen[0]).toEqual({ phase: 'preparing', bytesDone: 0 });
    expect(seen.at(-1)?.bytesTotal).toBeGreaterThan(100_000_000);
    expect(seen.map(({ bytesDone }) => bytesDone)).toEqual(
      seen.map(({ bytesDone }) => bytesDone).sort((a, b) => a - b),
    );

    const destination = bench.path('restored');
    const restored = await bench.rustic().restore(access, idOf(made), destination, PATIENT);
    expect(restored).toMatchObject({ outcome: isRoot ? 'succeeded' : 'partial' });
    // rustic sets the mode first: on a read-only file, only root can then set the attributes.
    const unset = restored.outcome === 'partial' ? restored.problems.first : [];
    expect(unset.filter(({ what }) => what !== 'attributes')).toEqual([]);
    const others = (await differences(bench.root, destination)).filter(
      ({ path }) => !unset.some((problem) => problem.path === `/${path}`),
    );
    expect(others).toEqual([]);
    if (restic)
      await execa(restic, ['-r', access.folder, '--no-lock', '--no-cache', 'check', '--read-data'], {
        env: { RESTIC_PASSWORD: PASSWORD },
      });
  });

  it('leaves nothing out, whatever marks, ignore files and settings of a user say', async () => {
    const home = bench.path('home');
    await mkdir(join(home, '.config/rustic'), { recursive: true });
    await mkdir(join(home, '.config/git'), { recursive: true });
    await writeFile(
      join(home, '.config/rustic/rustic.toml'),
      '[backup]\ngit-ignore = true\nno-require-git = true\nexclude-if-present = [".nobackup", "CACHEDIR.TAG"]\nglobs = ["!*"]\n[global]\ndry-run = true\n',
    );
    await writeFile(join(home, '.config/git/ignore'), '*\n');
    const names = [
      '.gitignore',
      '.ignore',
      '.rusticignore',
      '.nobackup',
      'CACHEDIR.TAG',
      '.git/config',
      '.hidden',
      'node_modules/x',
      'a~',
      'core',
    ];
    for (const name of names)
      await bench.write(
        `project/${name}`,
        name === 'CACHEDIR.TAG' ? 'Signature: 8a477f597d28d172789f06886806bc55\n' : '*\n',
      );
    const hostile = {
      HOME: home,
      XDG_CONFIG_HOME: join(home, '.config'),
      RUSTIC_DRY_RUN: 'true',
      RUSTIC_REPOSITORY: '/nowhere',
      RUSTIC_USE_PROFILE: 'rustic',
      OPENDAL_ROOT: '/nowhere',
    };
    const restore = setEnvironment(hostile);
    try {
      const access = await bench.repository();
      const made = await bench.rustic().backup(access, bench.order(), PATIENT);
      expect(made).toMatchObject({ outcome: 'succeeded', summary: { filesNew: names.length } });
      await bench.rustic().restore(access, idOf(made), bench.path('restored'), PATIENT);
      expect(await differences(bench.root, bench.path('restored'))).toEqual([]);
    } finally {
      restore();
    }
  });

  it('notices a change that keeps size and time', async () => {
    const file = await bench.write('project/a', 'before');
    await bench.write('project/b', 'stays');
    const { mtime } = await stat(file);
    const access = await bench.repository();
    const first = await bench.rustic().backup(access, bench.order(), PATIENT);
    await writeFile(file, 'after!');
    await utimes(file, mtime, mtime);
    const second = await bench.rustic().backup(access, bench.order({ parent: idOf(first) }), PATIENT);
    expect(second).toMatchObject({
      outcome: 'succeeded',
      summary: { filesChanged: 1, filesUnmodified: 1, filesNew: 0 },
    });
    await bench.rustic().restore(access, idOf(second), bench.path('restored'), PATIENT);
    expect(await readFile(bench.path('restored/project/a'), 'utf8')).toBe('after!');
  });

  it('reads everything again when its parent is gone', async () => {
    await bench.write('project/a', 'content');
    const access = await bench.repository();
    const made = await bench.rustic().backup(access, bench.order({ parent: 'ab'.repeat(32) }), PATIENT);
    expect(made).toMatchObject({ outcome: 'succeeded', summary: { filesNew: 1 } });
  });

  it('is described in the snapshot, without the arguments', async () => {
    const access = await bench.repository();
    const description = JSON.stringify({ layout: 'v2', text: '"-- \' ü' });
    const made = await bench
      .rustic()
      .backup(access, bench.order({ tags: ['operation:1', '-x'], description }), PATIENT);
    const [snapshot, ...others] = await bench.rustic().snapshots(access, PATIENT, { tag: 'operation:1' });
    expect(others).toEqual([]);
    expect(snapshot).toMatchObject({ id: idOf(made), hostname: 'p1', label: 'v2', paths: ['/'], description });
    expect(snapshot?.tags.sort()).toEqual(['-x', 'operation:1']);
    expect(await bench.rustic().snapshots(access, PATIENT, { tag: 'other' })).toEqual([]);
    const env = {
      RUSTIC_REPOSITORY: access.folder,
      RUSTIC_PASSWORD: PASSWORD,
      RUSTIC_NO_CACHE: 'true',
      HOME: bench.folder,
    };
    const { stdout } = await execa(await findTool('rustic'), ['cat', 'snapshot', idOf(made)], { env });
    expect((JSON.parse(stdout) as { summary: { command: string } }).summary.command).toBe('buckets backup');
  });

  it('is partial, with the names, when files and folders may not be read', async () => {
    for (const path of ['project/open', 'project/shut', 'persist/shut folder/x', 'project/two\nlines `"'])
      await bench.write(path, path);
    for (const path of ['project/shut', 'persist/shut folder', 'project/two\nlines `"'])
      await chmod(join(bench.root, path), 0o000);
    // Root may read everything, unless it gives that away.
    const rustic = isRoot
      ? await bench.through('setpriv', '--bounding-set=-dac_override,-dac_read_search', '--')
      : bench.rustic();
    const made = await rustic.backup(await bench.repository(), bench.order(), PATIENT);
    if (made.outcome !== 'partial') throw new Error(JSON.stringify(made));
    expect([made.losses.total, made.unknown.total]).toEqual([0, 0]);
    expect(made.unreadable.total).toBe(3);
    expect(made.unreadable.first.map(({ path }) => path).sort()).toEqual([
      '/persist/shut folder',
      '/project/shut',
      '/project/two\nlines `"',
    ]);
    for (const { cause, reason } of made.unreadable.first)
      expect([cause, reason]).toEqual(['denied', 'Permission denied (os error 13)']);
    expect(made.summary.filesNew).toBe(1);
  });

  it('is refused when the folder is not there, is a link, or is a file', async () => {
    const access = await bench.repository();
    await symlink(bench.root, bench.path('link'));
    await writeFile(bench.path('file'), '');
    for (const name of ['nothing', 'link', 'file']) {
      const outcome = await bench.rustic().backup(access, bench.order({ root: bench.path(name) }), PATIENT);
      expect(outcome).toMatchObject({ outcome: 'failed', class: 'source-missing', canPass: false });
    }
    expect(await bench.rustic().snapshots(access, PATIENT)).toEqual([]);
  });

  it('never counts as made when it is cancelled', async () => {
    await hugeFile('project/huge');
    const access = await bench.repository();
    const abort = new AbortController();
    const outcome = await bench.rustic().backup(access, bench.order(), {
      ...PATIENT,
      signal: abort.signal,
      onProgress: ({ phase }) => {
        if (phase === 'uploading') abort.abort();
      },
    });
    expect(outcome).toMatchObject({ outcome: 'cancelled' });
    expect(await bench.rustic().snapshots(access, PATIENT)).toEqual([]);
  });

  it('has failed, and may be tried again, when rustic is killed', async () => {
    await hugeFile('project/huge');
    const access = await bench.repository();
    const running = bench.rustic().backup(access, bench.order(), PATIENT);
    process.kill(await bench.runningProcess(), 'SIGKILL');
    expect(await running).toMatchObject({ outcome: 'failed', class: 'killed', canPass: true });
  });

  it('has failed when somebody else ends rustic politely, although that ends with 0', async () => {
    await hugeFile('project/huge');
    const access = await bench.repository();
    let uploading = false;
    const running = bench.rustic().backup(access, bench.order(), {
      ...PATIENT,
      onProgress: ({ phase }) => void (uploading ||= phase === 'uploading'),
    });
    const pid = await bench.runningProcess();
    await until(() => uploading, WAITED_FOR);
    process.kill(pid, 'SIGTERM');
    expect(await running).toMatchObject({ outcome: 'failed', class: 'interrupted', canPass: true });
  });

  it('shows no secret in arguments, environment, snapshot or result', async () => {
    await hugeFile('project/huge');
    const access = await bench.repository();
    const abort = new AbortController();
    const running = bench.rustic().backup(access, bench.order(), { ...PATIENT, signal: abort.signal });
    const pid = await bench.runningProcess();
    const seen = ['cmdline', 'environ'].map((name) => readFileSync(`/proc/${pid}/${name}`, 'utf8')).join();
    abort.abort();
    const shown = seen + JSON.stringify(await running);
    expect(seen).toContain('--as-path=/');
    const { encrypt, mac } = JSON.parse(access.masterKey) as { encrypt: string; mac: { k: string; r: string } };
    for (const secret of [encrypt, mac.k, mac.r, PASSWORD]) expect(shown).not.toContain(secret);
  });

  it('survives a cache that was torn', async () => {
    await bench.write('project/a', 'content');
    const access = await bench.repository();
    const first = await bench.rustic().backup(access, bench.order(), PATIENT);
    for (const file of await filesBelow(bench.path('cache'))) {
      if (file.endsWith('CACHEDIR.TAG')) continue;
      await writeFile(file, Buffer.alloc((await stat(file)).size));
    }
    const second = await bench.rustic().backup(access, bench.order({ parent: idOf(first) }), PATIENT);
    expect(second).toMatchObject({ outcome: 'succeeded' });
  });
});

describe('a repository', () => {
  it('does not open with another key', async () => {
    const access = { ...(await bench.repository()), masterKey: createRepositoryKey() };
    expect(await bench.rustic().backup(access, bench.order(), PATIENT)).toMatchObject({
      outcome: 'failed',
      class: 'wrong-key',
      canPass: false,
    });
    await expect(bench.rustic().snapshots(access, PATIENT)).rejects.toMatchObject({ code: 'rustic-wrong-key' });
  });

  it('is missed where there is none', async () => {
    const access = { kind: 'local', folder: bench.path('nothing'), masterKey: createRepositoryKey() } as const;
    expect(await bench.rustic().backup(access, bench.order(), PATIENT)).toMatchObject({
      outcome: 'failed',
      class: 'repository-missing',
      canPass: false,
    });
  });

  it('cannot be used without rustic', async () => {
    const rustic = bench.rustic({ binary: bench.path('nothing') });
    expect(await rustic.backup(await bench.repository(), bench.order(), PATIENT)).toMatchObject({
      outcome: 'failed',
      class: 'rustic-missing',
    });
  });

  it('loses just the snapshots that are to be forgotten, and their data only to a prune a day later', async () => {
    await bench.write('project/a', 'first');
    const access = await bench.repository();
    const rustic = bench.rustic();
    const first = await rustic.backup(access, bench.order(), PATIENT);
    await bench.write('project/a', 'second');
    const second = await rustic.backup(access, bench.order(), PATIENT);
    const packs = (await filesBelow(join(access.folder, 'data'))).length;

    await rustic.forget(access, [], PATIENT);
    expect(await rustic.snapshots(access, PATIENT)).toHaveLength(2);
    await rustic.forget(access, [idOf(first)], PATIENT);
    expect((await rustic.snapshots(access, PATIENT)).map(({ id }) => id)).toEqual([idOf(second)]);
    await expect(rustic.forget(access, [idOf(first)], PATIENT)).rejects.toMatchObject({
      code: 'rustic-snapshot-missing',
    });
    for (const id of ['latest', idOf(second).slice(0, 8)])
      await expect(rustic.forget(access, [id], PATIENT)).rejects.toThrow(RangeError);

    const report = await rustic.prune(access, PATIENT, { maxUnusedPercent: 0 });
    expect(report.marked + report.repacked).toBeGreaterThan(0);
    expect(report.removed).toBe(0);
    expect((await filesBelow(join(access.folder, 'data'))).length).toBeGreaterThanOrEqual(packs);
    expect(await rustic.restore(access, idOf(second), bench.path('restored'), PATIENT)).toMatchObject({
      outcome: 'succeeded',
    });
  });

  it('is found sound, or damaged when a part of it is gone', async () => {
    await bench.write('project/a', 'content');
    const access = await bench.repository();
    const made = await bench.rustic().backup(access, bench.order(), PATIENT);
    expect(await bench.rustic().check(access, PATIENT, { readData: { n: 0, of: 1 } })).toMatchObject({
      outcome: 'sound',
      warnings: { total: 0 },
    });

    for (const pack of await filesBelow(join(access.folder, 'data'))) await rm(pack);
    const checked = await bench.rustic().check(access, PATIENT, { snapshotIds: [idOf(made)] });
    expect(checked).toMatchObject({ outcome: 'damaged' });
    expect(await bench.rustic().restore(access, idOf(made), bench.path('restored'), PATIENT)).toMatchObject({
      outcome: 'failed',
      class: 'repository-damaged',
      canPass: false,
    });
  });
});

describe('a restore', () => {
  it('takes what is chosen, with the folders above and nothing beside', async () => {
    const chosen = ['/project/src [x]*?{a,b}\\ ', '/project/two\nlines', '/project/deep/er/file', '/persist'];
    for (const path of chosen)
      await bench.write(path === '/persist' || path.endsWith('\\ ') ? `${path}/inside/it` : path, path);
    for (const path of ['project/src x', 'project/two', 'project/deep/other', 'project/deep/er/file2', 'project/file'])
      await bench.write(path, path);
    await chmod(join(bench.root, 'project/deep'), 0o710);
    const access = await bench.repository();
    const made = await bench.rustic().backup(access, bench.order(), PATIENT);
    const destination = bench.path('restored');
    expect(await bench.rustic().restore(access, idOf(made), destination, PATIENT, { paths: chosen })).toMatchObject({
      outcome: 'succeeded',
      files: 4,
    });
    expect((await filesBelow(destination)).map((file) => file.slice(destination.length)).sort()).toEqual([
      '/persist/inside/it',
      '/project/deep/er/file',
      '/project/src [x]*?{a,b}\\ /inside/it',
      '/project/two\nlines',
    ]);
    expect((await stat(join(destination, 'project/deep'))).mode & 0o777).toBe(0o710);
  });

  it('of something that the snapshot lacks is a failure, not a restore of nothing', async () => {
    await bench.write('project/a', 'content');
    const access = await bench.repository();
    const made = await bench.rustic().backup(access, bench.order(), PATIENT);
    const restore = (id: string, name: string, paths?: string[]) =>
      bench.rustic().restore(access, id, bench.path(name), PATIENT, { paths });
    expect(await restore('0'.repeat(64), 'one')).toMatchObject({
      outcome: 'failed',
      class: 'snapshot-missing',
      canPass: false,
    });
    expect(await restore(idOf(made), 'two', ['/project/a', '/project/b'])).toMatchObject({
      outcome: 'failed',
      class: 'path-missing',
    });
    for (const path of ['project/a', '/project/../a', '/', '/a//b', '/a\0'])
      await expect(restore(idOf(made), 'three', [path])).rejects.toThrow(RangeError);
    await expect(restore('latest', 'four')).rejects.toThrow(RangeError);
  });

  it('never goes over files that are there', async () => {
    const access = await bench.repository();
    const made = await bench.rustic().backup(access, bench.order(), PATIENT);
    expect(await bench.rustic().restore(access, idOf(made), bench.root, PATIENT)).toMatchObject({
      outcome: 'failed',
      class: 'destination-not-empty',
    });
  });

  onlyAsRoot('lists the entries whose owner or attributes could not be set', async () => {
    await execa('chown', ['1234:1234', await bench.write('project/a', 'content')]);
    const access = await bench.repository();
    const made = await bench.rustic().backup(access, bench.order(), PATIENT);
    const rustic = await bench.through('setpriv', '--bounding-set=-chown', '--');
    const restored = await rustic.restore(access, idOf(made), bench.path('restored'), PATIENT);
    expect(restored).toMatchObject({
      outcome: 'partial',
      problems: { total: 1, first: [{ path: '/project/a', what: 'owner' }] },
      warnings: { total: 0 },
    });
  });

  it('keeps a hole a hole and hard links one file', async () => {
    await using file = await open(await bench.write('project/sparse', ''), 'r+');
    await file.write('end', 100_000_000);
    await link(join(bench.root, 'project/sparse'), join(bench.root, 'persist/same'));
    const access = await bench.repository();
    const made = await bench.rustic().backup(access, bench.order(), PATIENT);
    await bench.rustic().restore(access, idOf(made), bench.path('restored'), PATIENT);
    const [one, other] = await Promise.all(
      ['project/sparse', 'persist/same'].map((path) => lstat(bench.path('restored', path))),
    );
    expect(one?.size).toBe(100_000_003);
    expect((one?.blocks ?? 0) * 512).toBeLessThan(10_000_000);
    expect(other?.ino).toBe(one?.ino);
  });

  (canMount ? it : it.skip)('says that the disk is full', async () => {
    await bench.write('project/a', Buffer.alloc(3_000_000, 'x'));
    const access = await bench.repository();
    const made = await bench.rustic().backup(access, bench.order(), PATIENT);
    const small = bench.path('small');
    await mkdir(small);
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', small]);
    try {
      expect(await bench.rustic().restore(access, idOf(made), join(small, 'restored'), PATIENT)).toMatchObject({
        outcome: 'failed',
        class: 'disk-full',
        canPass: false,
      });
    } finally {
      await execa('umount', [small]);
    }
  });
});

describe('a storage that never answers', () => {
  const hung = createServer();
  const connections = new Set<{ destroy(): void }>();
  hung.on('connection', (socket) => void connections.add(socket));

  it('is given up after the time for a stall, or at the deadline', async () => {
    await new Promise<void>((resolve) => hung.listen(0, '127.0.0.1', resolve));
    try {
      const endpoint = `http://127.0.0.1:${(hung.address() as AddressInfo).port}`;
      const keys = { accessKeyId: 'id', secretAccessKey: 'secret' };
      const access = {
        kind: 's3',
        endpoint,
        region: 'r',
        bucket: 'b',
        root: 'p',
        ...keys,
        masterKey: createRepositoryKey(),
      } as const;
      expect(await bench.rustic().backup(access, bench.order(), { ...PATIENT, stallMs: 500 })).toMatchObject({
        outcome: 'stalled',
      });
      await expect(bench.rustic().snapshots(access, { ...PATIENT, deadlineMs: 500 })).rejects.toEqual(
        new RusticStopped('timed-out'),
      );
    } finally {
      for (const connection of connections) connection.destroy();
      await new Promise((resolve) => hung.close(resolve));
    }
  });
});

function idOf(outcome: object): string {
  if ('snapshotId' in outcome && typeof outcome.snapshotId === 'string') return outcome.snapshotId;
  throw new Error(`There is no snapshot: ${JSON.stringify(outcome)}`);
}

async function differences(one: string, other: string): Promise<Difference[]> {
  // A hole comes back in whole chunks of at most 8 MiB.
  const allocated = { notMoreThanBy: 32 * 2 ** 20 };
  return compareTrees(await describeTree(one), await describeTree(other), { topFolder: false, allocated });
}

/** Takes rustic longer to read than any test takes, and no room. */
async function hugeFile(path: string): Promise<void> {
  await using file = await open(await bench.write(path, ''), 'r+');
  await file.truncate(200_000_000_000);
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

function setEnvironment(values: Record<string, string>): () => void {
  const before = { ...process.env };
  Object.assign(process.env, values);
  return () => {
    for (const name of Object.keys(values)) delete process.env[name];
    Object.assign(process.env, before);
  };
}
