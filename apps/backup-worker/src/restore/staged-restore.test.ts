import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DamagedRecordError,
  Disk,
  NotEnoughSpaceError,
  ROOT_NAMES,
  Staging,
  SwapNotConfirmedError,
  SwitchPendingError,
  SwitchStuckError,
  Trash,
  UnrecordedDataError,
  type RootName,
} from '../host-data/index.js';
import { asOrdinaryUser, giveToOrdinaryUser } from '../host-data/testing/ordinary-user.js';
import { fill, OPERATION, PROJECT, TemporaryHost, untilStep } from '../host-data/testing/temporary-host.js';
import type { SnapshotEntry } from './check/snapshot-entry.js';
import { checkTree } from './check/tree-check.js';
import { NothingMissingError, RestoreDiffersError } from './errors.js';
import { StagedRestore, type RestorableBackup, type RestoreOrder, type RestoreWarnings } from './staged-restore.js';
import { asSource, hasPython, setXattr, snapshotOf } from './testing/tree-snapshot.js';

// Every step waits for the disk.
jest.setTimeout(60_000);

const itWithPython = hasPython ? it : it.skip;

let host: TemporaryHost;
let source: string;
let backup: RestorableBackup;

beforeEach(async () => {
  host = new TemporaryHost();
  source = await mkdtemp(join(tmpdir(), 'buckets-source-'));
  for (const root of ROOT_NAMES) await fill(join(source, root), 'backed up');
  backup = {
    id: 'b'.repeat(64),
    need: { bytes: 1_000, entries: 8 },
    entries: asSource(snapshotOf(source)),
    restoreInto: async (folder, roots) => {
      // Rustic, too, leaves an empty folder for a root that was left out.
      for (const root of ROOT_NAMES) await mkdir(join(folder, root));
      for (const root of roots) execFileSync('cp', ['-a', join(source, root), folder]);
      return { warnings: [] };
    },
  };
});
afterEach(async () => {
  host.remove();
  await rm(source, { recursive: true });
});

function restorer(disk = new Disk(), onLeftover: (error: Error) => void = fail): StagedRestore {
  const { records, swap } = host.worker(disk);
  const staging = new Staging(host.folders, disk, { reserveBytes: 0 });
  return new StagedRestore(records, staging, swap, new Trash(host.folders), onLeftover);
}

function fail(error: Error): void {
  throw error;
}

function order(changes: Partial<RestoreOrder> = {}): RestoreOrder {
  return {
    operationId: OPERATION,
    projectId: PROJECT,
    generation: 1,
    backup,
    what: 'missing',
    confirm: async () => true,
    whileSwapping: (swap) => swap(() => Promise.resolve(undefined)),
    signal: AbortSignal.timeout(30_000),
    ...changes,
  };
}

const inspect = () => host.worker().records.inspect(PROJECT, 1);

describe('a restore', () => {
  it('brings a missing project back and names the backup that was applied', async () => {
    const phases: string[] = [];
    const result = await restorer().restore(order({ onPhase: (phase) => phases.push(phase) }));
    expect(result).toEqual({
      backupId: backup.id,
      roots: ['project', 'persist'],
      entries: 8,
      folders: 4,
      bytes: 18,
      problems: [],
      problemCount: 0,
    });
    expect(phases).toEqual(['preparing', 'restoring', 'checking', 'swapping']);
    expect(await host.contentOf('project')).toBe('backed up');
    expect(await inspect()).toMatchObject({ state: 'provisioned', record: { by: 'restored', restore: { result } } });
    expect([...(await host.list('staging')), ...(await host.list('switch'))]).toEqual([]);
  });

  it('restores over empty folders that somebody made', async () => {
    for (const root of ROOT_NAMES) await mkdir(host.folders.root(PROJECT, root), { recursive: true });
    await restorer().restore(order());
    expect(await host.contentOf('persist')).toBe('backed up');
  });

  it.each(['missing', 'everything'] as const)(
    'of %s does not take the data of another assignment for those of the project, and keeps them aside',
    async (what) => {
      await host.provision('of an earlier assignment');
      const result = await restorer().restore(order({ what, generation: 3 }));
      expect(result.roots).toEqual(['project', 'persist']);
      expect(result.problems.map(({ kind, path }) => [kind, path])).toEqual([
        ['kept', 'persist'],
        ['kept', 'project'],
      ]);
      expect(await host.contentOf('project')).toBe('backed up');
      expect(await host.worker().records.inspect(PROJECT, 3)).toMatchObject({ state: 'provisioned' });
      const kept = join(host.folders.kept(OPERATION), 'project', 'below', 'file');
      expect(await readFile(kept, 'utf8')).toBe('of an earlier assignment');
    },
  );

  it('restores the one root that is missing, leaves the other one alone, and says so', async () => {
    await host.provision('living');
    await rm(host.folders.root(PROJECT, 'persist'), { recursive: true });
    const result = await restorer().restore(order());
    expect(result).toMatchObject({ roots: ['persist'], entries: 4 });
    expect([await host.contentOf('project'), await host.contentOf('persist')]).toEqual(['living', 'backed up']);
    expect((await inspect()).state).toBe('provisioned');
  });

  it('of everything replaces what is here and keeps it in the trash until the operation has ended', async () => {
    await host.provision('living');
    const restore = restorer();
    await restore.restore(order({ what: 'everything' }));
    expect(await host.contentOf('project')).toBe('backed up');
    expect((await restore.emptyTrash([OPERATION])).removed).toEqual([]);
    expect((await restore.emptyTrash([])).removed).toEqual([OPERATION]);
    expect(await host.list('trash')).toEqual([]);
  });

  it('of what is missing is refused when nothing is, not skipped', async () => {
    await host.provision('living');
    await expect(restorer().restore(order())).rejects.toThrow(NothingMissingError);
  });

  it('is refused where files stand that nobody recorded', async () => {
    await fill(host.folders.root(PROJECT, 'project'), 'unknown');
    for (const what of ['missing', 'everything'] as const) {
      await expect(restorer().restore(order({ what }))).rejects.toThrow(UnrecordedDataError);
    }
    expect(await host.contentOf('project')).toBe('unknown');
  });

  it('is done once: the same order again returns the first result', async () => {
    const restore = restorer();
    const first = await restore.restore(order({ what: 'everything' }));
    await writeFile(join(host.folders.root(PROJECT, 'project'), 'below', 'file'), 'work since then');
    const neverAgain = async () => Promise.reject(new Error('restored again'));
    expect(
      await restore.restore(order({ what: 'everything', backup: { ...backup, restoreInto: neverAgain } })),
    ).toEqual(first);
    expect(await host.contentOf('project')).toBe('work since then');
  });

  it('says what of the restored roots is lost in the repository', async () => {
    const first = [{ kind: 'lost' as const, path: 'project/a', detail: 'gone' }];
    const lost = (roots: readonly RootName[]) => ({ total: 100 + roots.length, first });
    expect(await restorer().restore(order({ backup: { ...backup, lost } }))).toMatchObject({
      problems: first,
      problemCount: 102,
    });
  });
});

describe('a restore by an ordinary user', () => {
  /** What rustic leaves when it may not set attributes: everything else, and a complaint. */
  async function withoutAttributes(folder: string): Promise<RestoreWarnings> {
    for (const root of ROOT_NAMES) execFileSync('cp', ['-a', '--no-preserve=xattr', join(source, root), folder]);
    return { warnings: [], ofAttributes: ['/project/below/file: the attributes could not be restored'] };
  }

  /** A file and a folder with attributes, closed to their owner in this way. */
  async function close(fileMode: number, folderMode: number): Promise<void> {
    const below = join(source, 'project', 'below');
    for (const path of [below, join(below, 'file')]) {
      setXattr(path, 'user.colour', 'blue');
      setXattr(path, 'user.taste', 'sweet');
      execFileSync('touch', ['-d', '2001-02-03 04:05:06.123456789', path]);
    }
    await chmod(join(below, 'file'), fileMode);
    await chmod(below, folderMode);
  }

  const restored = async (entries: SnapshotEntry[], spoil = async (_folder: string) => {}) => {
    giveToOrdinaryUser(host.folders.dataRoot);
    const restoreInto = async (folder: string) => {
      const warnings = await withoutAttributes(folder);
      await spoil(folder);
      return warnings;
    };
    const changed = { ...backup, entries: asSource(entries), restoreInto };
    return asOrdinaryUser(() => restorer().restore(order({ backup: changed })));
  };

  beforeEach(() => giveToOrdinaryUser(source));
  afterEach(() => void execFileSync('chmod', ['-R', 'u+rwX', source]));

  itWithPython.each([
    ['0444', 0o444, 0o755],
    ['0400', 0o400, 0o555],
    ['4555', 0o4555, 0o1500],
  ])('sets the attributes of a file of mode %s, which rustic cannot', async (_, fileMode, folderMode) => {
    await close(fileMode, folderMode);
    const entries = snapshotOf(source);
    expect((await restored(entries)).problems).toEqual([]);
    const { differences } = await checkTree(host.folders.project(PROJECT), asSource(entries), {
      roots: ROOT_NAMES,
      tolerated: new Set(),
    });
    expect(differences.first).toEqual([]);
  });

  itWithPython('sets those of a file that its owner may not read, and names them as unseen', async () => {
    await close(0o400, 0o755);
    const name = 'project/below/file';
    const entries = snapshotOf(source);
    const closed = entries.map((entry) => (entry.path.toString() === name ? { ...entry, mode: 0 } : entry));
    expect((await restored(closed, (folder) => chmod(join(folder, name), 0))).problems).toEqual([
      { kind: 'unchecked', path: name, detail: 'extended attributes: Permission denied' },
    ]);
    const file = join(host.folders.project(PROJECT), name);
    expect((await stat(file)).mode & 0o7777).toBe(0);
    await chmod(file, 0o400);
    const attributes = (of: SnapshotEntry[]) => of.map(({ path, xattrs }) => [path.toString(), xattrs]);
    expect(attributes(snapshotOf(host.folders.project(PROJECT)))).toEqual(attributes(entries));
  });

  itWithPython('names each attribute that cannot be set, and sets the others', async () => {
    const value = Buffer.from('x');
    const wanted = new Map([
      ['project/below/file', ['trusted.note', 'user.colour']],
      ['project/link', ['user.on-a-link']],
    ]);
    const entries = snapshotOf(source).map((entry) => ({
      ...entry,
      xattrs: (wanted.get(entry.path.toString()) ?? []).map((name) => ({ name, value })),
    }));
    const { problems, problemCount } = await restored(entries);
    expect(problems).toEqual([
      { kind: 'unchecked', path: 'project/below/file', detail: 'trusted.note can be set and seen by root only' },
      { kind: 'xattr', path: 'project/link', detail: 'user.on-a-link is missing' },
    ]);
    expect(problemCount).toBe(2);
  });

  it('names what rustic could not set where there is no Python to set it', async () => {
    await close(0o444, 0o755);
    const path = process.env['PATH'];
    const entries = snapshotOf(source);
    process.env['PATH'] = await toolsWithoutPython();
    try {
      expect((await restored(entries)).problems.map(({ kind, detail }) => `${kind}: ${detail}`)).toEqual([
        'unchecked: extended attributes of 2 entries: python3 is not installed',
        'warning: /project/below/file: the attributes could not be restored',
      ]);
    } finally {
      process.env['PATH'] = path;
    }
  });

  async function toolsWithoutPython(): Promise<string> {
    const folder = join(source, 'tools');
    await mkdir(folder);
    for (const tool of ['chmod', 'chown', 'cp', 'rm', 'sync']) {
      await symlink(execFileSync('which', [tool], { encoding: 'utf8' }).trim(), join(folder, tool));
    }
    await chmod(source, 0o755);
    return folder;
  }
});

describe('a restore that goes wrong', () => {
  const failures: [string, Partial<RestorableBackup> | undefined, Partial<RestoreOrder>, unknown][] = [
    ['differs from the backup', { restoreInto: async (folder) => spoil(folder) }, {}, RestoreDiffersError],
    ['fails to restore', { restoreInto: async () => Promise.reject(new Error('no repository')) }, {}, 'no repository'],
    ['does not fit', { need: { bytes: Number.MAX_SAFE_INTEGER, entries: 1 } }, {}, NotEnoughSpaceError],
    ['is not confirmed', undefined, { confirm: async () => false }, SwapNotConfirmedError],
    ['is cancelled', undefined, { signal: AbortSignal.abort(new Error('cancelled')) }, 'cancelled'],
    ['cannot read the snapshot', { entries: brokenSource }, {}, 'no tree'],
  ];

  it.each(failures)('changes nothing and leaves nothing behind when it %s', async (_, changed, more, error) => {
    await host.provision('living');
    const wrong = order({ what: 'everything', backup: { ...backup, ...changed }, ...more });
    await expect(restorer().restore(wrong)).rejects.toThrow(error as string);
    expect([await host.contentOf('project'), await host.contentOf('persist')]).toEqual(['living', 'living']);
    expect(await inspect()).toMatchObject({ state: 'provisioned', record: { by: 'created' } });
    expect([...(await host.list('staging')), ...(await host.list('switch')), ...(await host.list('trash'))]).toEqual(
      [],
    );
  });

  it('is refused because of a warning as root, and names it as a problem otherwise', async () => {
    const warned = {
      ...backup,
      restoreInto: async (...args: Parameters<typeof backup.restoreInto>) => ({
        ...(await backup.restoreInto(...args)),
        warnings: ['setting times failed'],
      }),
    };
    const restored = restorer().restore(order({ backup: warned }));
    if (process.geteuid?.() === 0) await expect(restored).rejects.toThrow('setting times failed');
    else
      expect((await restored).problems).toContainEqual({ kind: 'warning', path: '', detail: 'setting times failed' });
  });

  it('leaves the project locked when it died after the point of no return, and the next start finishes it', async () => {
    await host.provision('living');
    for (let step = 1; !(await host.worker().swap.hasPendingSwitch(PROJECT)); step += 1) {
      await untilStep(step, (disk) => restorer(disk).restore(order({ what: 'everything' })));
    }
    const restarted = restorer();
    await expect(restarted.restore(order({ what: 'everything' }))).rejects.toThrow(SwitchPendingError);
    expect(await restarted.sweep(new Set())).toEqual([]);
    expect((await restarted.emptyTrash([])).removed).toEqual([]);

    const { finished } = await host.worker().swap.rollForward();
    expect(finished.map(({ result }) => result.backupId)).toEqual([backup.id]);
    expect(await restarted.sweep(new Set())).toEqual([OPERATION]);
    expect(await host.contentOf('project')).toBe('backed up');
    expect(await restarted.restore(order({ what: 'everything' }))).toMatchObject({ backupId: backup.id, entries: 8 });
  });

  it.each([
    ['is damaged', () => writeFile(host.folders.switchRecord('damaged'), '{')],
    ['is a folder', () => mkdir(host.folders.switchRecord('damaged'))],
    ['is named like no project', () => writeFile(join(host.folders.switches, 'No Project.json'), '{')],
  ])('keeps everything in staging and in trash while a switch record %s', async (_, put) => {
    await mkdir(host.folders.switches, { recursive: true });
    await put();
    await host.stage('perhaps the only copy');
    const leftovers: Error[] = [];
    expect(await restorer(new Disk(), (error) => leftovers.push(error)).sweep(new Set())).toEqual([]);
    expect(leftovers.map((error) => error.constructor)).toEqual([DamagedRecordError]);
    await expect(restorer().emptyTrash([])).rejects.toThrow(DamagedRecordError);
    expect(await host.list('staging')).toContain(OPERATION);
  });

  it('keeps the staged roots when the swap got stuck', async () => {
    await host.provision('living');
    const broken = new (class extends Disk {
      override async move(from: string, to: string): Promise<void> {
        if (to === host.folders.root(PROJECT, 'persist')) throw new Error('input/output error');
        await super.move(from, to);
      }
    })();
    await expect(restorer(broken).restore(order({ what: 'everything' }))).rejects.toThrow(SwitchStuckError);
    expect(await host.list('staging')).toContain(`${OPERATION}/persist/below/file`);
    expect((await host.worker().swap.rollForward()).stuck).toEqual([]);
    expect([await host.contentOf('project'), await host.contentOf('persist')]).toEqual(['backed up', 'backed up']);
  });

  async function spoil(folder: string): Promise<{ warnings: string[] }> {
    const done = await backup.restoreInto(folder, ROOT_NAMES, AbortSignal.timeout(30_000));
    await writeFile(join(folder, 'persist', 'below', 'file'), 'backed uP');
    return done;
  }

  async function* brokenSource(): AsyncGenerator<never> {
    throw new Error('no tree');
  }
});
