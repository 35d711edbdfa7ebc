import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { NEEDS, ProjectQueue, type Need } from './project-queue.js';

/** A piece of work that a test ends by hand. */
function job(queue: ProjectQueue, name: string, needs: readonly Need[], log: string[]) {
  let end!: () => void;
  const gate = new Promise<void>((resolve) => (end = resolve));
  const done = queue.run(needs, async () => {
    log.push(`${name} begins`);
    await gate;
    log.push(`${name} ends`);
  });
  return { end, done };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('the order of one project’s work', () => {
  it('lets a project start and stop while a backup reads', async () => {
    const queue = new ProjectQueue();
    const log: string[] = [];
    const backup = job(queue, 'backup', NEEDS.backup, log);
    const start = job(queue, 'start', NEEDS.start, log);
    const stop = job(queue, 'stop', NEEDS.stop, log);
    await settle();
    expect(log).toEqual(['backup begins', 'start begins']);
    start.end();
    await start.done;
    await settle();
    expect(log).toEqual(['backup begins', 'start begins', 'start ends', 'stop begins']);
    stop.end();
    backup.end();
    await Promise.all([stop.done, backup.done]);
    expect(queue.idle).toBe(true);
  });

  it('keeps everything out while a restore is under way, and lets nothing pass a restore that waits', async () => {
    const queue = new ProjectQueue();
    const log: string[] = [];
    const backup = job(queue, 'backup', NEEDS.backup, log);
    const restore = job(queue, 'restore', NEEDS.restore, log);
    const start = job(queue, 'start', NEEDS.start, log);
    await settle();
    expect(log).toEqual(['backup begins']);
    backup.end();
    await backup.done;
    await settle();
    expect(log.at(-1)).toBe('restore begins');
    restore.end();
    await restore.done;
    await settle();
    expect(log.at(-1)).toBe('start begins');
    start.end();
    await start.done;
  });

  it('lets a start that has to restore wait for the backup that reads, ahead of what came later', async () => {
    const queue = new ProjectQueue();
    const log: string[] = [];
    const backup = job(queue, 'backup', NEEDS.backup, log);
    const start = queue.run(NEEDS.start, async (turn) => {
      log.push('start begins');
      await turn.widen('repository');
      log.push('start restores');
    });
    const restore = job(queue, 'restore', NEEDS.restore, log);
    await settle();
    expect(log).toEqual(['backup begins', 'start begins']);
    backup.end();
    await start;
    await settle();
    expect(log).toEqual(['backup begins', 'start begins', 'backup ends', 'start restores', 'restore begins']);
    restore.end();
    await restore.done;
  });

  it('frees the place of work that has failed', async () => {
    const queue = new ProjectQueue();
    await expect(queue.run(NEEDS.backup, () => Promise.reject(new Error('disk')))).rejects.toThrow('disk');
    await expect(queue.run(NEEDS.restore, () => Promise.resolve('done'))).resolves.toBe('done');
  });

  it('lets go of a place at once when who waits for it gives up', async () => {
    const queue = new ProjectQueue();
    const log: string[] = [];
    const backup = job(queue, 'backup', NEEDS.backup, log);
    const cancel = new AbortController();
    const restore = queue.run(NEEDS.restore, () => Promise.resolve(log.push('restore begins')), cancel.signal);
    const start = job(queue, 'start', NEEDS.start, log);
    await settle();
    expect(log).toEqual(['backup begins']);
    cancel.abort(new Error('cancelled'));
    await expect(restore).rejects.toThrow('cancelled');
    await settle();
    expect(log).toEqual(['backup begins', 'start begins']);
    backup.end();
    start.end();
    await Promise.all([backup.done, start.done]);
    expect(queue.idle).toBe(true);
  });

  it('lets work that gives up to wait for more keep what it had', async () => {
    const queue = new ProjectQueue();
    const log: string[] = [];
    const backup = job(queue, 'backup', NEEDS.backup, log);
    const cancel = new AbortController();
    const tidied = Promise.withResolvers<void>();
    const start = queue.run(NEEDS.start, async (turn) => {
      await turn.widen('repository', cancel.signal).catch((error: unknown) => log.push(String(error)));
      await tidied.promise;
    });
    const forget = job(queue, 'forget', NEEDS.forget, log);
    const stop = job(queue, 'stop', NEEDS.stop, log);
    await settle();
    cancel.abort(new Error('cancelled'));
    await settle();
    backup.end();
    await settle();
    expect(log).toEqual(['backup begins', 'Error: cancelled', 'backup ends', 'forget begins']);
    tidied.resolve();
    await start;
    await settle();
    expect(log.at(-1)).toBe('stop begins');
    forget.end();
    stop.end();
    await Promise.all([forget.done, stop.done]);
    expect(queue.idle).toBe(true);
  });

  it('never overlaps work with a common need, keeps its order, and always comes to an end', async () => {
    const kinds = fc.constantFrom('backup', 'forget', 'start', 'stop', 'restore', 'start-that-restores');
    await fc.assert(
      fc.asyncProperty(fc.array(kinds, { maxLength: 12 }), fc.array(fc.nat({ max: 5 })), async (work, pauses) => {
        const queue = new ProjectQueue();
        const held = new Map<Need, number>();
        const began: Record<Need, number[]> = { repository: [], runtime: [] };
        const hold = (need: Need, index: number) => {
          expect(held.get(need)).toBeUndefined();
          held.set(need, index);
          began[need].push(index);
        };
        await Promise.all(
          work.map((kind, index) => {
            const widens = kind === 'start-that-restores';
            const needs: readonly Need[] = NEEDS[widens ? 'start' : (kind as keyof typeof NEEDS)];
            return queue.run(needs, async (turn) => {
              for (const need of needs) hold(need, index);
              for (let i = 0; i < (pauses[index] ?? 0); i++) await settle();
              if (widens) {
                await turn.widen('repository');
                hold('repository', index);
              }
              await settle();
              for (const [need, holder] of held) if (holder === index) held.delete(need);
            });
          }),
        );
        expect(queue.idle).toBe(true);
        expect(began.runtime).toEqual(began.runtime.toSorted((a, b) => a - b));
      }),
      { numRuns: 200 },
    );
  });
});
