import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DataRootInUse, lockDataRoot } from './data-root-lock.js';

describe('the lock of a data root', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'buckets-lock-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it('goes to one of many that come at once, and to the next when it is given back', async () => {
    const taken = await Promise.allSettled(Array.from({ length: 20 }, () => lockDataRoot(folder)));
    const [winner, ...others] = taken.filter(({ status }) => status === 'fulfilled');
    expect(others).toEqual([]);
    await expect(lockDataRoot(folder)).rejects.toThrow(DataRootInUse);
    await (winner as PromiseFulfilledResult<() => Promise<void>>).value();
    await (
      await lockDataRoot(folder)
    )();
  });

  it('is free again when the worker that had it was killed', async () => {
    const { dev, ino } = await stat(folder, { bigint: true });
    const script = `require('net').createServer().listen('\\0buckets-data-root-${dev}-${ino}', () => console.log('locked'))`;
    const other = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(other.stdout, 'data');
    await expect(lockDataRoot(folder)).rejects.toThrow(DataRootInUse);
    other.kill('SIGKILL');
    await once(other, 'exit');
    await (
      await lockDataRoot(folder)
    )();
  });
});
