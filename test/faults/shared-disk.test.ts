import { describe, expect, it } from '@jest/globals';
import { SharedDisk } from './shared-disk.js';

describe('a disk that goes away', () => {
  it('waits for who uses it, and is waited for, in the order in which they have come', async () => {
    const disk = new SharedDisk();
    const seen: string[] = [];
    const [using, gone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const step = (name: string, until?: Promise<void>) => async () => {
      seen.push(name);
      await until;
      seen.push(`end of ${name}`);
    };
    const all = [
      disk.use(step('use', using.promise)),
      disk.whileAway(step('absence', gone.promise)),
      disk.whileAway(step('second absence')),
      disk.use(step('later use')),
    ];
    await new Promise(setImmediate);
    expect(seen).toEqual(['use']);
    using.resolve();
    gone.resolve();
    await Promise.all(all);
    const order = ['use', 'absence', 'second absence', 'later use'];
    expect(seen).toEqual(order.flatMap((name) => [name, `end of ${name}`]));
  });

  it('is there again when something has failed', async () => {
    const disk = new SharedDisk();
    const fails = () => Promise.reject(new Error('as it happens'));
    await expect(disk.whileAway(fails)).rejects.toThrow('as it happens');
    await expect(disk.use(fails)).rejects.toThrow('as it happens');
    await expect(disk.use(() => Promise.resolve('used'))).resolves.toBe('used');
  });
});
