import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { execaSync } from 'execa';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { compareTrees, describeTree, differenceText, growTree, type TreeDescription } from '@buckets/trees';
import type { Backup, Problem } from './running/api.js';
import { runOf, startCopy } from './running/copy.js';
import { OperatorsCommand } from './running/operators-command.js';
import { Product } from './running/product.js';
import { snapshotsOf } from './running/repositories.js';

jest.setTimeout(60_000);

let product: Product;
let command: OperatorsCommand;

beforeAll(async () => {
  product = await Product.start({
    settings: (dataDir) => {
      command = new OperatorsCommand(dataDir);
      return command.install();
    },
  });
});
afterAll(() => product[Symbol.asyncDispose]());

/** A project with some files in both roots. */
async function projectWithFiles(id: string): Promise<{ folder: string; picture: TreeDescription }> {
  await product.newProject(id);
  const folder = product.folder(id);
  for (const root of ['project', 'persist']) {
    await growTree(join(folder, root), { seed: 3, smallFiles: 30, bytes: 0, hardCases: false });
  }
  return { folder, picture: await describeTree(folder) };
}

async function differences(expected: TreeDescription, folder: string): Promise<string[]> {
  return compareTrees(expected, await describeTree(folder), { topFolder: false }).map(differenceText);
}

describe('what a running project changes while it is read', () => {
  it('is named, and the backup is restored with what was read', async () => {
    const { folder } = await projectWithFiles('logging');
    // Random, so that reading it takes a while, and first in the order in which folders are read.
    await writeFile(join(folder, 'project', '0-large'), randomBytes(150_000_000));
    const logs = Array.from({ length: 20 }, (_, index) => join(folder, 'project', `${index}.log`));
    for (const log of logs) await writeFile(log, 'the first line\n');
    const writing = spawn('python3', ['-c', GROWING_LOGS, ...logs], { stdio: ['ignore', 'ignore', 'inherit'] });
    let backup: Backup;
    try {
      let tries = 0;
      do {
        const { state, result } = await product.backUp('logging', { consistency: 'live' });
        expect(state).toBe('succeeded');
        backup = (await product.api.backups('logging')).find(({ id }) => id === result?.backupId)!;
        // On a busy machine none of them may be written to in the moment in which it is read.
      } while (backup.changedWhileRead?.total === 0 && ++tries < 20);
    } finally {
      writing.kill('SIGKILL');
      await once(writing, 'exit');
    }
    expect(backup.changedWhileRead?.total).toBeGreaterThan(0);
    expect(backup.changedWhileRead?.first[0]?.path).toMatch(/^\/project\/\d+\.log$/);
    expect(backup.confined).toBe(process.geteuid?.() === 0);

    await rm(folder, { recursive: true });
    expect(await product.start('logging')).toMatchObject({
      state: 'succeeded',
      result: { restore: { backupId: backup.id, problems: { total: 0 } } },
    });
    for (const log of logs) {
      const [first, ...more] = (await readFile(join(folder, 'project', basename(log)), 'utf8')).split('\n');
      expect(first).toBe('the first line');
      expect(more.slice(0, -1).every((line) => line === 'another line')).toBe(true);
    }
  });
});

/** Half of the logs grow, half are cut as soon as they have grown. */
const GROWING_LOGS = `
import sys
logs = [open(path, 'a') for path in sys.argv[1:]]
while True:
    for index, log in enumerate(logs):
        log.write('another line\\n')
        log.flush()
        if index % 2: log.truncate(15)
`;

describe('data that are not there', () => {
  it('are restored although somebody has made empty folders in their place', async () => {
    const { folder, picture } = await projectWithFiles('emptied');
    const { result } = await product.backUp('emptied');
    await rm(folder, { recursive: true });
    for (const root of ['project', 'persist']) await mkdir(join(folder, root), { recursive: true });

    expect(await product.start('emptied')).toMatchObject({
      state: 'succeeded',
      result: { restore: { backupId: result?.backupId, roots: ['project', 'persist'] } },
    });
    expect(await differences(picture, folder)).toEqual([]);
  });

  it('are not restored over files that nobody accounts for, which are kept and reported', async () => {
    const { folder, picture } = await projectWithFiles('foreign');
    await product.backUp('foreign');
    await rm(folder, { recursive: true });
    await mkdir(join(folder, 'project'), { recursive: true });
    await writeFile(join(folder, 'project', 'only copy'), 'of something');

    const operation = await product.start('foreign');
    expect(operation).toMatchObject({ state: 'failed', code: 'unrecorded-data' });
    expect(operation.reason).toMatch(/project: files .* move it out of the way/);
    expect(await product.api.project('foreign')).toMatchObject({ running: false });
    expect(await readdir(folder, { recursive: true })).toEqual(['project', 'project/only copy']);
    expect(await readFile(join(folder, 'project', 'only copy'), 'utf8')).toBe('of something');

    await rename(join(folder, 'project'), join(folder, '..', 'put aside'));
    expect(await product.start('foreign')).toMatchObject({ state: 'succeeded' });
    expect(await differences(picture, folder)).toEqual([]);
  });

  it('never become an empty project in silence, only when somebody asks for it in so many words', async () => {
    const { folder } = await projectWithFiles('lost');
    await rm(folder, { recursive: true });

    const refused = await product.start('lost');
    expect(refused).toMatchObject({ state: 'failed', code: 'data-lost' });
    expect(refused.reason).toContain('allowEmpty');
    expect(await product.api.project('lost')).toMatchObject({ running: false });
    await expect(stat(folder)).rejects.toThrow('ENOENT');

    expect(await product.start('lost', { allowEmpty: true })).toMatchObject({
      state: 'succeeded',
      result: { createdRoots: ['project', 'persist'] },
    });
    expect(await product.api.project('lost')).toMatchObject({ running: true });
  });

  it('never become an empty backup', async () => {
    const { folder } = await projectWithFiles('gone');
    await product.backUp('gone');
    await rename(folder, `${folder}-elsewhere`);
    expect(await product.backUp('gone')).toMatchObject({ state: 'failed', code: 'project-folder-missing' });

    await mkdir(join(folder, 'project'), { recursive: true });
    await mkdir(join(folder, 'persist'));
    expect(await product.backUp('gone')).toMatchObject({ state: 'failed', code: 'project-folder-missing' });

    await rm(folder, { recursive: true });
    await rename(`${folder}-elsewhere`, folder);
    expect(await product.backUp('gone')).toMatchObject({ state: 'succeeded' });
    expect(await snapshotsOf(product, 'gone')).toHaveLength(2);
    expect(await product.api.backups('gone')).toHaveLength(2);
  });

  it('are taken from what stands on the host only when somebody says that these are they', async () => {
    const folder = product.folder('found');
    for (const root of ['project', 'persist']) await mkdir(join(folder, root), { recursive: true });
    await writeFile(join(folder, 'project', 'a'), 'was here before');

    await expect(product.newProject('found')).rejects.toThrow('unrecorded-data');
    expect(await product.api.call('POST', '/v1/projects/found/backups', { body: {} })).toMatchObject({
      status: 409,
      body: { code: 'project-has-no-data' },
    });

    await mkdir(product.folder('adopted'));
    await rename(join(folder, 'project'), join(product.folder('adopted'), 'project'));
    await rename(join(folder, 'persist'), join(product.folder('adopted'), 'persist'));
    await product.newProject('adopted', { adopt: true });
    expect(await product.backUp('adopted')).toMatchObject({ state: 'succeeded' });
    expect(await readFile(join(product.folder('adopted'), 'project', 'a'), 'utf8')).toBe('was here before');
  });
});

describe('a backup that lacks something is partial, and says so', () => {
  it.each([
    { because: 'empty', left: [] },
    { because: 'shrunken', left: ['last file'] },
  ])(
    'when the project is suddenly $because: where its data are lost then, somebody has to say which backup it is to be',
    async ({ because, left }) => {
      const id = `was-${because}`;
      const { folder, picture } = await projectWithFiles(id);
      const whole = await product.backUp(id);
      await clear(folder);
      for (const name of left) await writeFile(join(folder, 'project', name), 'x');

      const partial = await product.backUp(id);
      expect(partial).toMatchObject({ state: 'partial', code: because });
      const backup = await product.api.backup(id, partial.result?.backupId);
      expect(backup).toMatchObject({ outcome: 'partial', partialBecause: [because] });

      await rm(folder, { recursive: true });
      const older = { backupId: whole.result?.backupId };
      const choices = { older, newer: { backupId: backup.id, partialBecause: [because] } };
      expect(await product.api.call('POST', `/v1/projects/${id}/start`, { body: {} })).toMatchObject({
        status: 409,
        body: { code: 'newer-backups-are-flagged', choices },
      });
      await expect(stat(folder)).rejects.toThrow('ENOENT');
      const chosen = await product.start(id, older);
      expect(chosen).toMatchObject({ state: 'succeeded', result: { restore: older } });
      expect(await differences(picture, folder)).toEqual([]);

      await product.stop(id);
      const asked = await product.restore(id, backup.id);
      expect(asked).toMatchObject({ state: 'partial', result: { restore: { backupId: backup.id } } });
      expect(await readdir(join(folder, 'project'))).toEqual(left);
    },
  );

  it('where only its host finds out that data are missing: the start fails rather than choose', async () => {
    const { folder, picture } = await projectWithFiles('hollow');
    const whole = await product.backUp('hollow');
    await clear(folder);
    expect(await product.backUp('hollow')).toMatchObject({ code: 'empty' });
    await rm(folder, { recursive: true });
    for (const root of ['project', 'persist']) await mkdir(join(folder, root), { recursive: true });

    const failed = await product.start('hollow', { allowEmpty: true });
    expect(failed).toMatchObject({ state: 'failed', code: 'newer-backups-are-flagged' });
    expect(failed.reason).toContain(whole.result?.backupId);
    expect(await readdir(join(folder, 'project'))).toEqual([]);
    expect(await product.start('hollow', { backupId: whole.result?.backupId })).toMatchObject({ state: 'succeeded' });
    expect(await differences(picture, folder)).toEqual([]);
  });

  it('until it has stayed so small, or somebody says that it is meant to be so', async () => {
    await product.newProject('reduced');
    const project = join(product.folder('reduced'), 'project');
    const backUp = async (bytes: number) => {
      await writeFile(join(project, 'data'), randomBytes(bytes));
      const { state, result } = await product.backUp('reduced');
      const { id, accepted } = await product.api.backup('reduced', result?.backupId);
      return { id, state, accepted: accepted?.because };
    };
    expect(await backUp(400_000)).toMatchObject({ state: 'succeeded' });
    expect(await backUp(20_000)).toMatchObject({ state: 'partial', accepted: undefined });
    expect(await backUp(20_100)).toMatchObject({ state: 'partial', accepted: undefined });
    expect(await backUp(20_200)).toMatchObject({ state: 'partial', accepted: 'stayed-small' });
    expect(await backUp(20_300)).toMatchObject({ state: 'succeeded', accepted: undefined });

    const smaller = await backUp(1_000);
    expect(smaller).toMatchObject({ state: 'partial', accepted: undefined });
    const accept = await product.api.call('POST', `/v1/projects/reduced/backups/${smaller.id}/accept`);
    expect(accept).toMatchObject({ status: 200, body: { accepted: { because: 'asked-for' } } });
    await rm(product.folder('reduced'), { recursive: true });
    expect(await product.start('reduced')).toMatchObject({
      state: 'succeeded',
      result: { restore: { backupId: smaller.id } },
    });
    expect(await backUp(1_000)).toMatchObject({ state: 'succeeded' });
  });

  const canLoseRights = process.geteuid?.() !== 0 || !execaSync('setpriv', ['--version'], { reject: false }).failed;
  (canLoseRights ? it : it.skip)(
    'when a file cannot be read: with its path, and what a restore of it lacks',
    async () => {
      const { folder } = await projectWithFiles('locked');
      await writeFile(join(folder, 'project', 'shut'), 'secret');
      await chmod(join(folder, 'project', 'shut'), 0);
      const picture = await describeTree(folder);

      await using _worker = await withWorkerThatMayNotReadAll();
      const partial = await product.backUp('locked');
      expect(partial).toMatchObject({ state: 'partial', code: 'unreadable-files' });
      const backup = await product.api.backup('locked', partial.result?.backupId);
      expect(backup).toMatchObject({ partialBecause: ['unreadable-files'] });
      expect(backup.unreadable).toEqual({
        total: 1,
        first: [{ path: '/project/shut', reason: expect.stringContaining('Permission denied') }],
      });

      await rm(folder, { recursive: true });
      expect(await product.start('locked')).toMatchObject({
        state: 'partial',
        code: 'incomplete-restore',
        result: { restore: { backupId: backup.id, lacks: { total: 1 } } },
      });
      expect(await differences(picture, folder)).toEqual([expect.stringMatching(/^project\/shut: missing/)]);
    },
  );

  /** As root may read everything, this worker's rustic runs without that right. */
  async function withWorkerThatMayNotReadAll(): Promise<AsyncDisposable> {
    const program = join(product.dataDir, 'rustic-without-rights');
    const drop = process.geteuid?.() === 0 ? 'setpriv --bounding-set=-dac_override,-dac_read_search -- ' : '';
    await writeFile(program, `#!/bin/sh\nexec ${drop}'${product.stack.access.rusticPath}' "$@"\n`, { mode: 0o700 });
    const run = await runOf(product, 'worker-eu-1');
    await product.stack.kill('worker-eu-1', 'SIGTERM');
    const copy = await startCopy(product, 'worker-without-rights', run, {
      BUCKETS_RUSTIC_PATH: program,
      // Confined, it would not see what it runs.
      BUCKETS_UNCONFINED: 'true',
    });
    return {
      [Symbol.asyncDispose]: async () => {
        await copy[Symbol.asyncDispose]();
        await product.stack.restart('worker-eu-1');
      },
    };
  }
});

describe('the commands that an operator has set', () => {
  afterAll(async () => {
    for (const moment of ['start', 'stop', 'before', 'after'] as const) await command.bid(moment);
  });

  it('are told which project starts and stops, and where it is', async () => {
    await product.newProject('hooked');
    const folder = product.folder('hooked');
    const told = {
      BUCKETS_PROJECT_ID: 'hooked',
      BUCKETS_PROJECT_HOME: join(folder, 'project'),
      BUCKETS_PROJECT_PERSIST: join(folder, 'persist'),
    };
    expect(await product.start('hooked')).toMatchObject({ state: 'succeeded' });
    expect(await command.told('start', 'hooked')).toEqual(told);
    expect(await product.stop('hooked')).toMatchObject({ state: 'succeeded' });
    expect(await command.told('stop', 'hooked')).toEqual(told);
  });

  it('fail the operation with what they printed when they fail', async () => {
    await command.bid('start', { print: 'no licence for this project', exit: 7 });
    const start = await product.start('hooked');
    expect(start).toMatchObject({
      state: 'failed',
      code: 'hook-failed',
      result: { hook: { exitCode: 7, output: 'no licence for this project' } },
    });
    expect(start.reason).toContain('exit code 7');
    expect(await product.api.project('hooked')).toMatchObject({ running: false });

    await command.bid('start');
    await product.start('hooked');
    await command.bid('stop', { print: 'it will not end', exit: 1 });
    expect(await product.stop('hooked')).toMatchObject({
      state: 'failed',
      code: 'hook-failed',
      result: { hook: { output: 'it will not end' } },
    });
    expect(await product.api.project('hooked')).toMatchObject({ running: true });
    await command.bid('stop');
    await product.stop('hooked');
  });
});

describe('the consistency of a backup', () => {
  const consistencyOf = async (projectId: string, backupId?: string) =>
    (await product.api.backup(projectId, backupId)).consistency;

  beforeAll(async () => {
    await projectWithFiles('consistent');
  });

  it('is that of a project that stands still, when it is stopped', async () => {
    const { result } = await product.backUp('consistent');
    expect(await consistencyOf('consistent', result?.backupId)).toEqual({ mode: 'stopped', movedWhileReading: false });
    expect(await command.told('before', 'consistent')).toBeUndefined();
  });

  it('is that of a snapshot, when the project runs and the host has commands for it', async () => {
    await product.start('consistent');
    const { result } = await product.backUp('consistent');
    expect(await consistencyOf('consistent', result?.backupId)).toMatchObject({ mode: 'snapshot' });
    for (const moment of ['before', 'after'] as const) {
      expect(await command.told(moment, 'consistent')).toMatchObject({ BUCKETS_PROJECT_ID: 'consistent' });
    }
  });

  it('is read from the folder that the command prints', async () => {
    const frozen = join(product.dataDir, 'frozen');
    for (const root of ['project', 'persist']) await mkdir(join(frozen, root), { recursive: true });
    await growTree(join(frozen, 'project', 'as it was'), { seed: 9, smallFiles: 40, bytes: 0, hardCases: false });
    const picture = await describeTree(frozen);
    await command.bid('before', { print: `made a snapshot\n${frozen}\n` });
    const { state, result } = await product.backUp('consistent');
    expect(state).toBe('succeeded');

    await command.bid('before');
    await product.stop('consistent');
    await product.restore('consistent', result!.backupId!);
    expect(await differences(picture, product.folder('consistent'))).toEqual([]);
    await product.start('consistent');
  });

  it('is not claimed when the command fails: there is no backup then, and what was frozen is thawed', async () => {
    const before = await product.api.backups('consistent');
    await command.bid('before', { print: 'the volume is full', exit: 3 });
    const operation = await product.backUp('consistent');
    expect(operation).toMatchObject({ state: 'failed', code: 'snapshot-failed' });
    expect(operation.reason).toContain('the volume is full');
    expect(await command.told('after', 'consistent')).toBeDefined();
    expect(await product.api.backups('consistent')).toEqual(before);

    await command.bid('before', { print: '/nowhere' });
    expect(await product.backUp('consistent')).toMatchObject({ state: 'failed', code: 'snapshot-failed' });
    await command.bid('before');
  });

  it('is live when that is asked for, and tells whether the project changed meanwhile', async () => {
    const { result } = await product.backUp('consistent', { consistency: 'live' });
    expect(await consistencyOf('consistent', result?.backupId)).toMatchObject({ mode: 'live' });

    const operation = await product.api.ask('/v1/projects/consistent/backups', { consistency: 'live' });
    const ending = new AbortController();
    const ended = product.api.ended(operation.id).finally(() => ending.abort());
    for (let n = 0; !ending.signal.aborted; n++) {
      await writeFile(join(product.folder('consistent'), 'project', 'journal'), `${n}`);
      await breathe();
    }
    const { result: moved } = await ended;
    expect(await consistencyOf('consistent', moved?.backupId)).toEqual({ mode: 'live', movedWhileReading: true });
  });

  it('is refused where it cannot be had', async () => {
    const body = { consistency: 'stopped' };
    const refused = await product.api.call<Problem>('POST', '/v1/projects/consistent/backups', { body });
    expect(refused).toMatchObject({ status: 409, body: { code: 'project-is-running' } });
  });
});

/** Takes the content of both roots away; the roots themselves stay the recorded ones. */
async function clear(folder: string): Promise<void> {
  for (const root of ['project', 'persist']) {
    for (const name of await readdir(join(folder, root))) await rm(join(folder, root, name), { recursive: true });
  }
}
