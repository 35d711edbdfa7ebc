import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Staging } from './staging.js';
import { KillableWorker } from './testing/killable-worker.js';
import { OPERATION, PROJECT, TemporaryHost } from './testing/temporary-host.js';

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
        inspection: await records.inspect(PROJECT),
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
});
