import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { FindingKind } from '../../host-data/index.js';
import { LISTED_FINDINGS } from './findings.js';
import type { SnapshotEntry } from './snapshot-entry.js';
import { asSource, hasPython, setXattr, snapshotOf } from '../testing/tree-snapshot.js';
import { checkTree } from './tree-check.js';
import type { CheckOptions, CheckReport } from './tree-check.js';

const asRoot = process.geteuid?.() === 0;
const itAsRoot = asRoot ? it : it.skip;
const itWithPython = hasPython ? it : it.skip;

/** Made once, and copied for each test. */
let original: string;
let originalEntries: SnapshotEntry[];
let folder: string;
let entries: SnapshotEntry[];
const at = (path: string) => join(folder, path);

beforeAll(() => {
  folder = original = mkdtempSync(join(tmpdir(), 'buckets-check-'));
  for (const path of ['persist', 'project/empty', 'project/deep/er']) mkdirSync(at(path), { recursive: true });
  writeFileSync(at('project/file'), 'hello');
  writeFileSync(at('project/large'), Buffer.alloc(350_000, 7));
  writeFileSync(at('project/nothing'), '');
  writeFileSync(at('project/deep/er/run'), 'x', { mode: 0o755 });
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/project/deep/`), Buffer.from([0xff, 0x0a, 0xfe])]), 'odd name');
  symlinkSync('file', at('project/link'));
  symlinkSync('nowhere', at('project/dangling'));
  symlinkSync('/', at('project/outside'));
  writeFileSync(at('persist/one'), 'linked');
  linkSync(at('persist/one'), at('persist/two'));
  writeFileSync(at('persist/copy'), 'linked');
  execFileSync('mkfifo', [at('persist/fifo')]);
  if (asRoot) execFileSync('mknod', [at('persist/null'), 'c', '1', '3']);
  if (hasPython) setXattr(at('project/file'), 'user.colour', 'blue');
  execFileSync('find', [folder, '-exec', 'touch', '-h', '-d', '2001-02-03 04:05:06.123456789', '{}', '+']);
  originalEntries = snapshotOf(original);
});
afterAll(() => rmSync(original, { recursive: true }));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'buckets-check-'));
  execFileSync('cp', ['-a', `${original}/.`, folder]);
  // Reading extended attributes takes a process: only the tests about them have any in the snapshot.
  entries = originalEntries.map(({ xattrs: _, ...entry }) => entry);
});
afterEach(() => rmSync(folder, { recursive: true }));

function check(options: Partial<CheckOptions> = {}, expected = entries): Promise<CheckReport> {
  return checkTree(folder, asSource(expected), { roots: ['project', 'persist'], ...options });
}

async function differences(options?: Partial<CheckOptions>): Promise<string[]> {
  const { differences: found } = await check(options);
  expect(found.first).toHaveLength(found.count);
  return found.first.map(({ kind, path }) => `${kind} ${path}`).sort();
}

/** Changes one thing and puts the times back, so that nothing else differs. */
function change(path: string, what: (full: string) => void): void {
  for (const [from, to] of [
    [at(path), 'own'],
    [dirname(at(path)), 'above'],
  ] as const) {
    writeFileSync(join(folder, to), '');
    execFileSync('touch', ['-h', '-r', from, join(folder, to)]);
  }
  what(at(path));
  execFileSync('touch', ['-c', '-h', '-r', at('own'), at(path)]);
  execFileSync('touch', ['-r', at('above'), dirname(at(path))]);
}

function replace(path: string, by: (full: string) => void): void {
  change(path, (full) => {
    rmSync(full, { recursive: true });
    by(full);
  });
}

describe('a restored tree', () => {
  it('passes when it is what the snapshot says', async () => {
    const report = await check({}, originalEntries);
    expect(report.differences.first).toEqual([]);
    expect(report.problems.first).toEqual([]);
    expect(report).toMatchObject({ entries: entries.length, bytes: 5 + 350_000 + 1 + 8 + 3 * 6 });
  });

  it('passes in whatever order the snapshot is read', async () => {
    expect((await check({}, entries.toReversed())).differences.count).toBe(0);
  });

  it.each<[string, string, () => void]>([
    ['a file is missing', 'missing project/file', () => change('project/file', unlinkSync)],
    [
      'an empty folder is missing',
      'missing project/empty',
      () => change('project/empty', (full) => rmSync(full, { recursive: true })),
    ],
    [
      'a file is extra',
      'extra project/deep/extra',
      () => change('project/deep/er', (full) => writeFileSync(`${full}/../extra`, '')),
    ],
    ['a file is a folder', 'type project/nothing', () => replace('project/nothing', (full) => mkdirSync(full))],
    ['a file is a link', 'type project/large', () => replace('project/large', (full) => symlinkSync('file', full))],
    ['a FIFO is a file', 'type persist/fifo', () => replace('persist/fifo', (full) => writeFileSync(full, ''))],
    ['a file is shorter', 'size project/large', () => change('project/large', (full) => truncateSync(full, 349_999))],
    ['a file is longer', 'size project/nothing', () => change('project/nothing', (full) => appendFileSync(full, 'x'))],
    [
      'a mode differs',
      'mode project/deep/er/run',
      () => change('project/deep/er/run', (full) => chmodSync(full, 0o744)),
    ],
    [
      'setuid is lost or won',
      'mode project/deep/er/run',
      () => change('project/deep/er/run', (full) => chmodSync(full, 0o4755)),
    ],
    ["a folder's mode differs", 'mode project/empty', () => change('project/empty', (full) => chmodSync(full, 0o700))],
    ["a root's mode differs", 'mode persist', () => change('persist', (full) => chmodSync(full, 0o700))],
    [
      'a link leads elsewhere',
      'link-target project/link',
      () => replace('project/link', (full) => symlinkSync('large', full)),
    ],
    [
      'hard links are separate files',
      'hard-link persist/two',
      () => replace('persist/two', (full) => writeFileSync(full, 'linked')),
    ],
  ])('is refused when %s', async (_, expected, mutate) => {
    mutate();
    expect(await differences()).toEqual([expected]);
  });

  it.each(['project/file', 'project/link', 'project/empty', 'persist/fifo', 'project'])(
    'is refused when the time of %s is a nanosecond off',
    async (path) => {
      execFileSync('touch', ['-h', '-d', '2001-02-03 04:05:06.123456790', at(path)]);
      expect(await differences()).toEqual([`mtime ${path}`]);
    },
  );

  it('is refused when separate files are hard links', async () => {
    replace('persist/copy', (full) => linkSync(at('persist/one'), full));
    const found = await differences();
    expect(found).not.toEqual([]);
    expect(found.filter((difference) => !difference.startsWith('hard-link persist/'))).toEqual([]);
  });

  it('is refused when a folder is a link, which is not followed', async () => {
    cpSync(at('project/deep'), at('elsewhere'), { recursive: true });
    replace('project/deep', (full) => symlinkSync('../elsewhere', full));
    expect(await differences()).toContain('type project/deep');
  });

  it('is refused with everything in it named when a root is missing', async () => {
    rmSync(at('persist'), { recursive: true });
    const found = await differences();
    expect(found).toContain('missing persist');
    expect(found).toContain('missing persist/one');
  });

  it('shows names that are no text', async () => {
    unlinkSync(Buffer.concat([Buffer.from(`${folder}/project/deep/`), Buffer.from([0xff, 0x0a, 0xfe])]));
    expect(await differences()).toEqual(['missing project/deep/\\xff\\x0a\\xfe', 'mtime project/deep']);
  });

  itAsRoot('is refused when an owner differs, of a link too', async () => {
    chownSync(at('project/file'), 12, 0);
    execFileSync('chown', ['-h', ':13', at('project/link')]);
    expect(await differences()).toEqual(['owner project/file', 'owner project/link']);
  });

  itAsRoot('is refused when a device is another one or missing', async () => {
    replace('persist/null', (full) => execFileSync('mknod', [full, 'c', '1', '5']));
    expect(await differences()).toEqual(['device persist/null']);
    change('persist/null', unlinkSync);
    expect(await differences()).toEqual(['device persist/null']);
  });

  itWithPython.each<[string, string[], () => void]>([
    [
      'is lost',
      ['xattr project/file'],
      () =>
        execFileSync('python3', [
          '-c',
          'import os,sys; os.removexattr(sys.argv[1], "user.colour")',
          at('project/file'),
        ]),
    ],
    ['has another value', ['xattr project/file'], () => setXattr(at('project/file'), 'user.colour', 'green')],
    ['is extra', ['xattr project/file'], () => setXattr(at('project/file'), 'user.taste', 'sweet')],
    ['is on another file', ['xattr project/large'], () => setXattr(at('project/large'), 'user.colour', 'blue')],
  ])('is refused when an extended attribute %s', async (_, expected, mutate) => {
    entries = originalEntries;
    mutate();
    expect(await differences({ tolerated: new Set() })).toEqual(expected);
  });

  it('is accepted with its extended attributes unchecked where nothing can read them, which is named', async () => {
    const path = process.env['PATH'];
    process.env['PATH'] = '/nowhere';
    try {
      const value = Buffer.from('blue');
      const report = await check(
        {},
        entries.map((entry) => ({ ...entry, xattrs: [{ name: 'user.colour', value }] })),
      );
      expect(report.differences.first).toEqual([]);
      expect(report.problems.first).toMatchObject([
        { kind: 'unchecked', detail: expect.stringContaining('not installed') },
      ]);
    } finally {
      process.env['PATH'] = path;
    }
  });

  it('has only the restored roots compared', async () => {
    rmSync(at('project'), { recursive: true });
    const report = await check({ roots: ['persist'] });
    expect(report.differences.first).toEqual([]);
    expect(report.entries).toBe(entries.filter(({ path }) => path.toString().startsWith('persist')).length);
  });

  it('counts all differences and lists the first of them', async () => {
    for (let number = 0; number < 150; number += 1) writeFileSync(at(`project/extra-${number}`), '');
    const { differences: found } = await check();
    expect(found.count).toBeGreaterThanOrEqual(150);
    expect(found.first).toHaveLength(LISTED_FINDINGS);
  });

  it('is accepted with problems named where differences are tolerated', async () => {
    change('project/empty', (full) => chmodSync(full, 0o700));
    const report = await check({ tolerated: new Set<FindingKind>(['mode']) });
    expect(report.differences.count).toBe(0);
    expect(report.problems.first).toEqual([
      { kind: 'mode', path: 'project/empty', detail: '0755 in the backup, 0700 on disk' },
    ]);
  });

  it('is accepted when hard links of a FIFO are not linked again, which is named', async () => {
    linkSync(at('persist/fifo'), at('persist/fifo2'));
    entries = snapshotOf(folder);
    replace('persist/fifo2', (full) => execFileSync('mkfifo', [full]));
    const report = await check();
    expect(report.differences.first).toEqual([]);
    expect(report.problems.first.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      'special-hard-link persist/fifo2',
    ]);
  });

  it('stops being compared when the restore is cancelled', async () => {
    const reason = new Error('cancelled');
    await expect(check({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});
