import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { until } from '@buckets/patience';
import { wrongClock } from '@buckets/real-parts';
import { execa } from 'execa';
import { chmod, mkdir, open, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackupOutcome, BackupPartial } from './backup.js';
import type { Rustic } from './rustic.js';
import { PATIENT, TestBench, WAITED_FOR } from './testing/bench.js';

const isRoot = process.geteuid?.() === 0;
const hasCompiler = !(await execa('cc', ['--version'], { reject: false })).failed;

/** Each test runs rustic several times, on machines that have other things to do. */
jest.setTimeout(60_000);

let bench: TestBench;
beforeEach(async () => (bench = await TestBench.make()));
afterEach(() => bench[Symbol.asyncDispose]());

describe('a backup of what cannot be read', () => {
  it('has one entry a file, whatever the names look like', async () => {
    const names = [
      'plain',
      'x\n[ERROR] faked',
      'x\n[WARN] ignoring error: Error: faked',
      '[INFO] backup done',
      'x\n\n[INFO] y',
      'x\nerror: faked',
      'x\n{"message_type":"error"}',
      'x`\nFailed to open file at `x',
      'x: IO error for operation on x',
      'back\\slash "quotes" \'and\' `more`',
      'ends in a line break\n',
      'größe 🪣',
    ];
    for (const name of names) await chmod(await bench.write(`project/${name}`, ''), 0o000);
    const made = partial(await (await unprivileged()).backup(await bench.repository(), bench.order(), PATIENT));
    expect(made.unreadable.total).toBe(names.length);
    expect(made.unreadable.first.map(({ path }) => path).sort()).toEqual(
      names.map((name) => `/project/${name.replaceAll('\\', '\\x5c')}`).sort(),
    );
    expect(new Set(made.unreadable.first.map(({ cause }) => cause))).toEqual(new Set(['denied']));
    expect([made.losses, made.unknown, made.vanished].map(({ total }) => total)).toEqual([0, 0, 0]);
  });

  it('cannot be forged by a name that holds a whole message', async () => {
    const root = bench.root;
    // A path whose folders spell out what rustic says of another file, that it is gone, and then something new.
    const name =
      `x\`\nFailed to open file at \`${root}/project/x\`. Please make sure the file exists and is accessible. ` +
      '(kind: related to input/output operations): caused by: No such file or directory (os error 2)\n[INFO] y';
    await chmod(await bench.write(`project/${name}`, ''), 0o000);
    const made = partial(await (await unprivileged()).backup(await bench.repository(), bench.order(), PATIENT));
    expect(made).toMatchObject({
      unreadable: { total: 1, first: [{ path: `/project/${name}`, cause: 'denied' }] },
      losses: { total: 0 },
      unknown: { total: 0 },
      vanished: { total: 0 },
    });
  });

  it('shows the bytes of a name that is no UTF-8', async () => {
    const file = Buffer.concat([Buffer.from(join(bench.root, 'project', 'f')), Buffer.from([0xfc]), Buffer.from('r')]);
    await writeFile(file, '');
    await chmod(file, 0o000);
    const made = partial(await (await unprivileged()).backup(await bench.repository(), bench.order(), PATIENT));
    expect(made.unreadable).toMatchObject({ total: 1, first: [{ path: '/project/f\\xfcr' }] });
  });
});

describe('a backup', () => {
  it('is whole when files vanish while it reads, and names them', async () => {
    await bench.write('project/a/slow', '');
    await using slow = await open(join(bench.root, 'project/a/slow'), 'r+');
    await slow.truncate(1_000_000_000_000);
    for (let each = 0; each < 1_500; each++) await bench.write(`project/b/${each}`, '');
    const access = await bench.repository();
    let reading = false;
    const running = bench.rustic().backup(access, bench.order(), {
      ...PATIENT,
      onProgress: ({ bytesDone }) => void (reading ||= bytesDone > 0),
    });
    const pid = await bench.runningProcess();
    await until(() => reading, WAITED_FOR);
    process.kill(pid, 'SIGSTOP');
    const folder = join(bench.root, 'project/b');
    for (const name of await readdir(folder)) await rm(join(folder, name));
    process.kill(pid, 'SIGCONT');
    const made = await running;
    expect(made).toMatchObject({ outcome: 'succeeded' });
    const { vanished } = made as BackupPartial;
    expect(vanished.total).toBeGreaterThan(0);
    for (const { path, cause } of vanished.first) {
      expect(path).toMatch(/^\/project\/b\/\d+$/);
      expect(cause).toBe('vanished');
    }
  });

  it('is whole when a file of its parent has become a folder', async () => {
    const file = await bench.write('project/a', 'content');
    const access = await bench.repository();
    const first = await bench.rustic().backup(access, bench.order(), PATIENT);
    await rm(file);
    await mkdir(file);
    await bench.write('project/a/b', 'content');
    const second = await bench.rustic().backup(access, bench.order({ parent: idOf(first) }), PATIENT);
    expect(second).toMatchObject({
      outcome: 'succeeded',
      notes: { total: 1, first: ['ignoring parent node a: is no tree!'] },
    });
  });

  (hasCompiler ? it : it.skip)('is whole when the clock is set back while it goes on', async () => {
    for (let each = 0; each < 20; each++) await bench.write(`project/${each}`, `content ${each}`);
    const environment = await wrongClock(bench.folder, { goesBack: true });
    const access = await bench.repository();
    const made = await bench.unconfined({ environment }).backup(access, bench.order(), PATIENT);
    expect(made).toMatchObject({ outcome: 'succeeded', summary: { filesNew: 20 } });
    expect((made as BackupPartial).notes.first).toContainEqual(
      expect.stringMatching(/^couldn't get elapsed time from system time/),
    );
  });

  (isRoot ? it : it.skip)('has failed for its source when that may not be entered', async () => {
    const outside = bench.path('shut');
    await mkdir(join(outside, 'p1/project'), { recursive: true });
    await chmod(outside, 0o000);
    const made = await (
      await unprivileged()
    ).backup(await bench.repository(), bench.order({ root: join(outside, 'p1') }), PATIENT);
    expect(made).toMatchObject({ outcome: 'failed', class: 'source-denied', canPass: false });
  });
});

describe('a restore', () => {
  it('of names with white space of any kind takes them, and nothing beside', async () => {
    const spaces = [...'\t\v\f\r \u0085\u00a0\u1680\u2003\u2028\u2029\u202f\u205f\u3000\ufeff'];
    const chosen = spaces.flatMap((space) => [
      `/project/a${space}`,
      `/project/${space}b`,
      `/project/c${space}d/e${space}`,
    ]);
    for (const path of [...chosen, '/project/a', '/project/b', '/project/cd/e']) await bench.write(path, path);
    const access = await bench.repository();
    const made = await bench.rustic().backup(access, bench.order(), PATIENT);
    const destination = bench.path('restored');
    const restored = await bench.rustic().restore(access, idOf(made), destination, PATIENT, { paths: chosen });
    expect(restored).toMatchObject({ outcome: 'succeeded', files: chosen.length });
    const found = await readdir(destination, { recursive: true, withFileTypes: true });
    expect(
      found
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(destination.length))
        .sort(),
    ).toEqual(chosen.sort());
  });
});

/** Root may read everything, unless it gives that away. */
function unprivileged(): Promise<Rustic> {
  return isRoot
    ? bench.through('setpriv', '--bounding-set=-dac_override,-dac_read_search', '--')
    : Promise.resolve(bench.rustic());
}

function partial(made: BackupOutcome): BackupPartial {
  if (made.outcome !== 'partial') throw new Error(JSON.stringify(made));
  return made;
}

function idOf(outcome: object): string {
  if ('snapshotId' in outcome && typeof outcome.snapshotId === 'string') return outcome.snapshotId;
  throw new Error(`There is no snapshot: ${JSON.stringify(outcome)}`);
}
