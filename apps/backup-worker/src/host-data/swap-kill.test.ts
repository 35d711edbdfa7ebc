import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chmod, chown, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT_NAMES } from './host-folders.js';
import { Staging } from './staging.js';
import { KillableWorker } from './testing/killable-worker.js';
import { asOrdinaryUser, giveToOrdinaryUser } from './testing/ordinary-user.js';
import { OPERATION, PROJECT, TemporaryHost } from './testing/temporary-host.js';

const itAsRoot = process.geteuid?.() === 0 ? it : it.skip;

const worker = new KillableWorker();
beforeAll(() => worker.build());
afterAll(() => worker.remove());

/** Kills a swap after this step, does what is asked for then, and starts the worker again, twice. */
async function afterKill(step: number, meanwhile: (host: TemporaryHost) => Promise<void>): Promise<'ended' | 'killed'> {
  const host = new TemporaryHost();
  try {
    await host.provision('old');
    await host.stage('new');
    const outcome = await worker.run('swap', host.folders.dataRoot, step);
    const { swap, records, disk } = host.worker();
    const record = await records.read(PROJECT);
    const begun = (await swap.hasPendingSwitch(PROJECT)) || record?.restore?.operationId === OPERATION;
    await meanwhile(host);

    let afterFirstStart: unknown;
    for (const start of [1, 2]) {
      const { stuck } = await swap.rollForward();
      expect(stuck).toEqual([]);
      await new Staging(host.folders, disk).sweep(await swap.pendingOperations());
      const now = {
        project: await host.contentOf('project'),
        persist: await host.contentOf('persist'),
        inspection: await records.inspect(PROJECT, 1),
        trash: await host.list('trash'),
      };
      const expected = begun ? { content: 'new', by: 'restored' } : { content: 'old', by: 'created' };
      expect(now).toMatchObject({
        project: expected.content,
        persist: expected.content,
        inspection: { state: 'provisioned', record: { by: expected.by } },
      });
      expect(await host.list('staging')).toEqual([]);
      expect((await host.list('switch')).filter((name) => name.endsWith('.json'))).toEqual([]);
      if (start === 1) afterFirstStart = now;
      else expect(now).toEqual(afterFirstStart);
    }
    return outcome;
  } finally {
    host.remove();
  }
}

describe('kill -9', () => {
  it('after any step of a swap leaves all old or, once it was recorded, makes all new', async () => {
    let step = 1;
    while ((await afterKill(step, async () => undefined)) === 'killed') step += 1;
    expect(step).toBeGreaterThan(15);
  }, 120_000);

  it('after any step of the roll-forward that finishes it changes nothing about that', async () => {
    let killedForwards = 0;
    // The swap was recorded; its old roots were away; its first new root was in.
    for (const first of [5, 10, 13]) {
      let outcome: 'ended' | 'killed' = 'killed';
      for (let second = 1; outcome === 'killed'; second += 1) {
        await afterKill(first, async (host) => {
          outcome = await worker.run('roll-forward', host.folders.dataRoot, second);
          if (outcome === 'killed') killedForwards += 1;
        });
      }
    }
    expect(killedForwards).toBeGreaterThan(20);
  }, 120_000);

  it('after any step of a swap, by an ordinary user, of roots that forbid writing keeps their modes', async () => {
    let outcome: 'ended' | 'killed' = 'killed';
    for (let step = 1; outcome === 'killed'; step += 1) {
      await using host = await hostWithModes({ old: 0o500, staged: 0o555 });
      outcome = await worker.run('swap', host.folders.dataRoot, step, 'an ordinary user');
      const { swap, records } = host.worker();
      expect((await asOrdinaryUser(() => swap.rollForward())).stuck).toEqual([]);
      const restored = (await records.read(PROJECT))?.by === 'restored';
      for (const root of ROOT_NAMES) {
        const { mode } = await stat(host.folders.root(PROJECT, root));
        expect([root, mode & 0o7777]).toEqual([root, restored ? 0o555 : 0o500]);
      }
    }
  }, 120_000);
});

describe('an ordinary user', () => {
  itAsRoot('does not begin to replace a root of another user, and says whose it is', async () => {
    await using host = await hostWithModes({ old: 0o755, staged: 0o755 });
    const root = host.folders.root(PROJECT, 'persist');
    await chown(root, 0, 0);
    await expect(worker.run('swap', host.folders.dataRoot, 0, 'an ordinary user')).rejects.toThrow(
      /persist cannot be replaced: user 65534 may not write to it \(it belongs to user 0 and has the mode 0755\)/,
    );
    expect([await host.contentOf('project'), await host.contentOf('persist')]).toEqual(['old', 'old']);
  });
});

async function hostWithModes({
  old,
  staged,
}: {
  old: number;
  staged: number;
}): Promise<TemporaryHost & AsyncDisposable> {
  const host = new TemporaryHost();
  await host.provision('old');
  await host.stage('new');
  for (const root of ROOT_NAMES) {
    await chmod(host.folders.root(PROJECT, root), old);
    await chmod(join(host.folders.staging(OPERATION), root), staged);
  }
  giveToOrdinaryUser(host.folders.dataRoot);
  return Object.assign(host, { [Symbol.asyncDispose]: async () => host.remove() });
}
