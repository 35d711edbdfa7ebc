import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { chmod, mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  DamagedRecordError,
  RootBusyError,
  RootNotCoveredError,
  StagedRootMissingError,
  SwapNotConfirmedError,
  SwitchPendingError,
  SwitchStuckError,
  UnrecordedDataError,
} from './errors.js';
import { ROOT_NAMES } from './host-folders.js';
import type { RootName } from './host-folders.js';
import { ProvisionedRecords } from './provisioned-records.js';
import { Swap } from './swap.js';
import type { SwapRequest } from './swap.js';
import { itWhereMountable, mountOn } from '../file-system/testing/mounts.js';
import { asOrdinaryUser, giveToOrdinaryUser } from './testing/ordinary-user.js';
import { fill, OPERATION, PROJECT, resultFor, TemporaryHost, untilStep } from './testing/temporary-host.js';

// Every step waits for the disk.
jest.setTimeout(60_000);

let host: TemporaryHost;
beforeEach(() => {
  host = new TemporaryHost();
});
afterEach(() => host.remove());

function request(
  roots: readonly RootName[] = ROOT_NAMES,
  confirm: SwapRequest['confirm'] = async () => true,
): SwapRequest {
  return { operationId: OPERATION, projectId: PROJECT, generation: 1, result: resultFor(roots), confirm };
}

async function contents(): Promise<(string | undefined)[]> {
  return [await host.contentOf('project'), await host.contentOf('persist')];
}

describe('a swap', () => {
  it('puts both roots in place, keeps what stood there, and records who did it', async () => {
    await host.provision('old');
    await host.stage('new');
    const { swap, records } = host.worker();
    await swap.swap(request());
    expect(await contents()).toEqual(['new', 'new']);
    expect(await records.inspect(PROJECT, 1)).toMatchObject({
      state: 'provisioned',
      record: { by: 'restored', generation: 1, restore: { operationId: OPERATION, result: resultFor() } },
    });
    expect(await host.list('switch')).toEqual([]);
    for (const root of ROOT_NAMES) {
      expect(await readFile(join(host.folders.trash(OPERATION), root, 'below', 'file'), 'utf8')).toBe('old');
    }
  });

  it('puts a project in place that was never here', async () => {
    await host.stage('new');
    await host.worker().swap.swap(request());
    expect(await contents()).toEqual(['new', 'new']);
    expect(await host.list('trash')).toEqual([]);
  });

  it('puts the missing root in place and leaves the other one alone', async () => {
    await host.provision('old');
    await rm(host.folders.root(PROJECT, 'persist'), { recursive: true });
    await host.stage('new', ['persist']);
    const { swap, records } = host.worker();
    await swap.swap(request(['persist']));
    expect(await contents()).toEqual(['old', 'new']);
    expect(await records.inspect(PROJECT, 1)).toMatchObject({
      state: 'provisioned',
      record: { restore: { result: { roots: ['persist'] } } },
    });
  });

  it('is asked for confirmation once everything else is ready, and not begun without', async () => {
    await host.provision('old');
    await host.stage('new');
    const { swap } = host.worker();
    const pendingWhenAsked: boolean[] = [];
    const no = async () => {
      pendingWhenAsked.push(await swap.hasPendingSwitch(PROJECT));
      return false;
    };
    const broken = () => Promise.reject(new Error('no connection'));
    await expect(swap.swap(request(ROOT_NAMES, no))).rejects.toThrow(SwapNotConfirmedError);
    await expect(swap.swap(request(ROOT_NAMES, broken))).rejects.toThrow(SwapNotConfirmedError);
    expect(pendingWhenAsked).toEqual([false]);
    expect(await contents()).toEqual(['old', 'old']);
    expect(await host.list('switch')).toEqual([]);
  });

  it('does not wait for ever for the confirmation', async () => {
    await host.stage('new');
    const { disk, records } = host.worker();
    const impatient = new Swap(host.folders, disk, records, 20);
    await expect(impatient.swap(request(ROOT_NAMES, () => new Promise(() => undefined)))).rejects.toThrow(
      SwapNotConfirmedError,
    );
    expect(await contents()).toEqual([undefined, undefined]);
  });

  it('never replaces what nobody recorded, even if it came up while the restore ran', async () => {
    await host.stage('new');
    await fill(host.folders.root(PROJECT, 'project'), 'unknown');
    await expect(host.worker().swap.swap(request())).rejects.toThrow(UnrecordedDataError);
    expect(await contents()).toEqual(['unknown', undefined]);
  });

  it('does not leave a project with one root', async () => {
    await host.stage('new', ['persist']);
    await expect(host.worker().swap.swap(request(['persist']))).rejects.toThrow(RootNotCoveredError);
    expect(await contents()).toEqual([undefined, undefined]);
  });

  it.each(['nothing', 'a link', 'a file'])('does not begin with %s in the place of a staged root', async (what) => {
    await host.provision('old');
    await host.stage('new', ['project']);
    const staged = join(host.folders.staging(OPERATION), 'persist');
    if (what === 'a link') await symlink('/', staged);
    if (what === 'a file') await writeFile(staged, '');
    await expect(host.worker().swap.swap(request())).rejects.toThrow(StagedRootMissingError);
    expect(await contents()).toEqual(['old', 'old']);
  });

  itWhereMountable('does not begin while something is mounted in a root', async () => {
    await host.provision('old');
    await host.stage('new');
    const unmount = mountOn(join(host.folders.root(PROJECT, 'project'), 'below'));
    try {
      await expect(host.worker().swap.swap(request())).rejects.toThrow(RootBusyError);
    } finally {
      unmount();
    }
    expect(await contents()).toEqual(['old', 'old']);
  });

  it.each([0o555, 0o400, 0o000])('moves roots of mode %i, which their owner may not write to', async (mode) => {
    await host.provision('old');
    await host.stage('new');
    for (const root of ROOT_NAMES) {
      await chmod(host.folders.root(PROJECT, root), 0o555);
      await chmod(join(host.folders.staging(OPERATION), root), mode);
    }
    giveToOrdinaryUser(host.folders.dataRoot);
    await asOrdinaryUser(() => host.worker().swap.swap(request()));
    for (const root of ROOT_NAMES) {
      const place = host.folders.root(PROJECT, root);
      expect((await stat(place)).mode & 0o7777).toBe(mode);
      await chmod(place, 0o755);
    }
    expect(await contents()).toEqual(['new', 'new']);
    expect(await host.list('switch')).toEqual([]);
  });

  it('excludes a second one in the same project', async () => {
    await host.stage('new');
    const { swap } = host.worker();
    const answer = Promise.withResolvers<boolean>();
    const first = swap.swap(request(ROOT_NAMES, () => answer.promise));
    await expect(swap.swap(request())).rejects.toThrow(SwitchPendingError);
    answer.resolve(true);
    await first;
  });
});

describe('a swap that broke off', () => {
  const cutOffAt = (step: number) => untilStep(step, (disk) => host.worker(disk).swap.swap(request()));

  /** At the first step after the point of no return. */
  async function cutOffOncePending(): Promise<void> {
    for (let step = 1; !(await host.worker().swap.hasPendingSwitch(PROJECT)); step += 1) await cutOffAt(step);
  }

  async function expectAllNew(): Promise<void> {
    const { swap, records } = host.worker();
    expect(await contents()).toEqual(['new', 'new']);
    expect(await swap.hasPendingSwitch(PROJECT)).toBe(false);
    expect(await records.inspect(PROJECT, 1)).toMatchObject({
      state: 'provisioned',
      record: { restore: { operationId: OPERATION } },
    });
  }

  async function expectAllOld(): Promise<void> {
    const { records } = host.worker();
    expect(await contents()).toEqual(['old', 'old']);
    expect(await records.inspect(PROJECT, 1)).toMatchObject({ state: 'provisioned', record: { by: 'created' } });
  }

  it('locks the project until it has been rolled forward', async () => {
    await host.provision('old');
    await host.stage('new');
    await cutOffOncePending();
    const { swap } = host.worker();
    await expect(swap.swap(request())).rejects.toThrow(SwitchPendingError);
    expect(await swap.pendingOperations()).toEqual(new Set([OPERATION]));
    const { finished, stuck } = await swap.rollForward();
    expect(finished.map(({ operationId }) => operationId)).toEqual([OPERATION]);
    expect(stuck).toEqual([]);
    expect((await swap.rollForward()).finished).toEqual([]);
    await expectAllNew();
  });

  it('ends all old or all new, wherever it and any number of roll-forwards broke off', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 24 }),
        fc.array(fc.integer({ min: 1, max: 16 }), { maxLength: 5 }),
        async (first, later) => {
          host.remove();
          host = new TemporaryHost();
          await host.provision('old');
          await host.stage('new');
          const ended = (await cutOffAt(first)) === 'ended';
          const begun =
            ended ||
            (await host.worker().swap.hasPendingSwitch(PROJECT)) ||
            (await host.contentOf('project')) === 'new';
          for (const step of later) await untilStep(step, (disk) => host.worker(disk).swap.rollForward());
          await host.worker().swap.rollForward();
          await (begun ? expectAllNew() : expectAllOld());
        },
      ),
      { numRuns: 40 },
    );
  });

  it.each([
    ['files', 'kept', async (place: string) => fill(place, 'made by a browser')],
    ['a link', 'kept', async (place: string) => symlink('nowhere', place)],
    ['an empty folder', 'trash', async (place: string) => mkdir(place)],
  ] as const)("moves %s that came up in a root's place to %s", async (_, area, make) => {
    await host.provision('old');
    await host.stage('new');
    await cutOffOncePending();
    for (let step = 1; (await host.contentOf('project')) === 'old'; step += 1) {
      await untilStep(step, (disk) => host.worker(disk).swap.rollForward());
    }
    await make(host.folders.root(PROJECT, 'project'));
    const { finished } = await host.worker().swap.rollForward();
    await expectAllNew();
    expect(await host.list('trash')).toContain(`${OPERATION}/project/below/file`);
    expect(await host.list(area)).toContain(area === 'kept' ? `${OPERATION}/project` : `${OPERATION}/project-2`);

    const problems = area === 'kept' ? [expect.objectContaining({ kind: 'kept', path: 'project' })] : [];
    expect(finished).toMatchObject([{ result: { problems } }]);
    expect((await host.worker().records.read(PROJECT))?.restore?.result).toMatchObject({
      problems,
      problemCount: problems.length,
    });
  });

  it('stays locked and does not hold up others when it cannot be finished', async () => {
    await host.provision('old');
    await host.stage('new');
    await cutOffOncePending();
    const staged = join(host.folders.staging(OPERATION), 'persist');
    await rename(staged, `${staged}-hidden`);
    await writeFile(host.folders.switchRecord('damaged'), '{');

    const { swap } = host.worker();
    const { finished, stuck } = await swap.rollForward();
    expect(finished).toEqual([]);
    expect(new Map(stuck.map(({ projectId, error }) => [projectId, error.constructor]))).toEqual(
      new Map<string, unknown>([
        [PROJECT, SwitchStuckError],
        ['damaged', DamagedRecordError],
      ]),
    );
    expect(await swap.hasPendingSwitch(PROJECT)).toBe(true);
    await expect(swap.pendingOperations()).rejects.toThrow(DamagedRecordError);

    await rename(`${staged}-hidden`, staged);
    expect((await swap.rollForward()).finished).toHaveLength(1);
    await expectAllNew();
  });

  it('is left alone by a roll-forward of the same process that has it in hand', async () => {
    await host.provision('old');
    await host.stage('new');
    const { disk, records } = host.worker();
    const { promise: reached, resolve } = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const slowRecords = new (class extends ProvisionedRecords {
      override async write(...args: Parameters<ProvisionedRecords['write']>): Promise<void> {
        resolve();
        await go.promise;
        await super.write(...args);
      }
    })(host.folders, disk);
    const swap = new Swap(host.folders, disk, slowRecords);
    const swapping = swap.swap(request());
    await reached;
    expect(await swap.rollForward()).toEqual({ finished: [], stuck: [] });
    go.resolve();
    await swapping;
    expect((await records.inspect(PROJECT, 1)).state).toBe('provisioned');
  });
});

it('has nothing to roll forward on a new host', async () => {
  await mkdir(host.folders.dataRoot, { recursive: true });
  expect(await host.worker().swap.rollForward()).toEqual({ finished: [], stuck: [] });
});
