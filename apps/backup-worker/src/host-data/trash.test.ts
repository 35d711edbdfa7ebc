import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, symlink, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { itWhereMountable, mountOn } from '../file-system/testing/mounts.js';
import { fill, TemporaryHost } from './testing/temporary-host.js';
import { RootBusyError } from './errors.js';
import { mountPointsWithin } from '../file-system/mount-points.js';
import { Trash } from './trash.js';

let host: TemporaryHost;
beforeEach(() => {
  host = new TemporaryHost();
});
afterEach(() => host.remove());

async function replaced(operationId: string, hoursAgo: number): Promise<void> {
  const folder = host.folders.trash(operationId);
  await fill(join(folder, 'project'), 'old');
  const then = Date.now() / 1000 - hoursAgo * 3600;
  await utimes(folder, then, then);
}

const top = async () => (await host.list('trash')).filter((path) => !path.includes('/'));

describe('the trash', () => {
  it('is emptied of ended operations, of active ones it is kept', async () => {
    await replaced('ended', 1);
    await replaced('active', 1);
    expect(await new Trash(host.folders).empty(new Set(['active']))).toEqual({ removed: ['ended'], failures: [] });
    expect(await top()).toEqual(['active']);
  });

  it('keeps what was replaced for as long as it is told to', async () => {
    await replaced('yesterday', 25);
    await replaced('today', 23);
    await new Trash(host.folders, { keepHours: 24 }).empty(new Set());
    expect(await top()).toEqual(['today']);
  });

  it('goes on with a removal that was broken off, without waiting again', async () => {
    await replaced('old', 0);
    await rename(host.folders.trash('old'), `${host.folders.trash('old')}.removing`);
    expect((await new Trash(host.folders, { keepHours: 24 }).empty(new Set())).removed).toEqual(['old']);
    expect(await top()).toEqual([]);
  });

  it('is emptied of folders that deny everything and of deep trees, and no link is followed', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'buckets-outside-'));
    try {
      await fill(outside, 'precious');
      await replaced('hard', 0);
      const folder = join(host.folders.trash('hard'), 'project');
      await symlink(outside, join(folder, 'way-out'));
      await mkdir(join(folder, 'denied', 'more'), { recursive: true });
      await chmod(join(folder, 'denied', 'more'), 0);
      await chmod(join(folder, 'denied'), 0);
      // Together deeper than a path can say.
      const chain = Array<string>(14).fill('d'.repeat(200)).join('/');
      for (const name of ['upper', 'lower']) await mkdir(join(folder, name, chain), { recursive: true });
      await rename(join(folder, 'lower'), join(folder, 'upper', chain, 'lower'));
      expect((await new Trash(host.folders).empty(new Set())).failures).toEqual([]);
      expect(await top()).toEqual([]);
      expect(await readFile(join(outside, 'below', 'file'), 'utf8')).toBe('precious');
    } finally {
      await rm(outside, { recursive: true });
    }
  });

  it('is nothing to empty on a new host', async () => {
    expect(await new Trash(host.folders).empty(new Set())).toEqual({ removed: [], failures: [] });
  });

  it('stops being emptied when the worker stops', async () => {
    await replaced('ended', 1);
    await expect(new Trash(host.folders).empty(new Set(), AbortSignal.abort(new Error('stopping')))).rejects.toThrow(
      'stopping',
    );
    expect(await top()).toEqual(['ended']);
  });
});

describe('something mounted below a folder', () => {
  itWhereMountable('is found, and keeps that folder from being removed, and no other', async () => {
    await replaced('mounted', 0);
    await replaced('plain', 0);
    const inside = join(host.folders.trash('mounted'), 'project', 'a mount');
    await mkdir(inside);
    const unmount = mountOn(inside);
    try {
      expect(await mountPointsWithin(host.folders.trash('mounted'))).toEqual([inside]);
      const { removed, failures } = await new Trash(host.folders).empty(new Set());
      expect(removed).toEqual(['plain']);
      expect(failures.map((error) => error.constructor)).toEqual([RootBusyError]);
    } finally {
      unmount();
    }
  });

  it('is not found where nothing is mounted', async () => {
    expect(await mountPointsWithin(host.folders.dataRoot)).toEqual([]);
    expect(await mountPointsWithin('/proc')).toContain('/proc');
  });
});
