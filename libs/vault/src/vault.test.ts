import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import type { ObjectStore } from '@buckets/object-storage';
import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  PlatformKeys,
  ProjectIdInvalid,
  ProjectKeys,
  ProjectKeysErased,
  ProjectKeysMissing,
  Vault,
  VaultConflict,
} from './index.js';
import type { CopyStore } from './index.js';
import { createRepositoryKey, InMemoryBucket, InMemoryRows, withCode } from './testing/in-memory.js';

const platformKeys = new PlatformKeys(randomBytes(32).toString('base64'));
const title = { thing: 'project', id: 'p1', field: 'title' };

let rows: InMemoryRows;
let bucket: InMemoryBucket;
let vault: Vault;
beforeEach(() => {
  bucket = new InMemoryBucket();
  loseTheDatabase();
});

function vaultOf(keyRows: InMemoryRows, keys = platformKeys, now?: () => number): Vault {
  return new Vault({ rows: keyRows, platformKeys: keys, createRepositoryKey, now });
}

function loseTheDatabase(): void {
  rows = new InMemoryRows();
  vault = vaultOf(rows);
}

describe('the keys of a project', () => {
  it('are made once and are the same from then on', async () => {
    const keys = await vault.ensure('p1', bucket);

    expect(keys.dataKey).toHaveLength(32);
    expect((await vault.ensure('p1', bucket)).equals(keys)).toBe(true);
    expect((await vault.get('p1')).equals(keys)).toBe(true);
    expect((await vaultOf(rows).get('p1')).equals(keys)).toBe(true);
    expect((await vault.ensure('p2', bucket)).equals(keys)).toBe(false);
  });

  it('are given out only when the bucket has them too', async () => {
    const broken = new InMemoryBucket(() => Promise.reject(withCode('object-storage-unreachable')));
    await expect(vault.ensure('p1', broken)).rejects.toThrow('object-storage-unreachable');

    const readOnly = Object.assign(new InMemoryBucket(), { put: () => Promise.reject(new Error('no')) });
    await expect(vault.ensure('p1', readOnly)).rejects.toThrow('no');
    await expect(vault.get('p1')).rejects.toThrow(ProjectKeysMissing);
    await expect(vault.seal('p1', 'Diary', title)).rejects.toThrow(ProjectKeysMissing);

    const keys = await vault.ensure('p1', bucket);
    expect(bucket.text('keys/p1')).toBe(rows.rows.get('p1')?.wrapped);
    expect((await vault.get('p1')).equals(keys)).toBe(true);
  });

  it('are in neither place for somebody without the platform key', async () => {
    const keys = await vault.ensure('p1', bucket);
    const stored = bucket.text('keys/p1') + JSON.stringify([...rows.rows]);
    const secrets = [keys.recoveryPassword, keys.repositoryKey.encrypt, Buffer.from(keys.dataKey).toString('base64')];
    for (const secret of secrets) {
      expect(stored).not.toContain(secret);
      expect(JSON.stringify(keys) + inspect({ keys }) + String(keys)).not.toContain(secret);
    }
  });

  it.each(['', '..', 'a/b', '../p2', 'A', 'ä', 'a'.repeat(64)])('are of a project, not of %j', async (id) => {
    await expect(vault.ensure(id, bucket)).rejects.toThrow(ProjectIdInvalid);
    expect(bucket.objects.size).toBe(0);
  });

  it('go along when the project gets another bucket', async () => {
    await vault.ensure('p1', bucket);
    const other = new InMemoryBucket();
    await vault.confirmCopy('p1', other);
    expect(other.text('keys/p1')).toBe(bucket.text('keys/p1'));
  });

  it('stay equal in both places after the platform key was replaced', async () => {
    const [first, second] = [randomBytes(32), randomBytes(32)].map((key) => key.toString('base64')) as [string, string];
    const keys = await vaultOf(rows, new PlatformKeys(first)).ensure('p1', bucket);
    const wrapped = bucket.text('keys/p1');
    loseTheDatabase();

    const both = vaultOf(rows, new PlatformKeys(second, [first]));
    expect((await both.ensure('p1', bucket)).equals(keys)).toBe(true);
    expect(bucket.text('keys/p1')).toBe(wrapped);
  });
});

describe('after the database was lost', () => {
  it('the bucket gives the keys back: one by one', async () => {
    const keys = await vault.ensure('p1', bucket);
    loseTheDatabase();
    expect((await vault.ensure('p1', bucket)).equals(keys)).toBe(true);
    expect((await vault.get('p1')).equals(keys)).toBe(true);
  });

  it('the bucket gives the keys back: all at once, telling what it could not', async () => {
    const ids = Array.from({ length: 50 }, (_, i) => `p${i}`);
    const keys = await Promise.all(ids.map(async (id) => await vault.ensure(id, bucket)));
    await vault.destroy('p0', bucket);
    bucket.objects.set('keys/p1', Buffer.from('scrambled'));
    bucket.objects.set('keys/p2', bucket.objects.get('keys/p3') ?? Buffer.alloc(0));
    bucket.objects.set('keys/not an id', Buffer.from('x'));
    bucket.objects.set('keys/huge', Buffer.alloc(100_000));
    bucket.objects.set('projects/x', Buffer.from('not a key'));
    loseTheDatabase();
    await vault.ensure('p4', bucket);

    const result = await vault.restoreFromBucket(bucket);

    expect(result).toMatchObject({ restored: 46, alreadyThere: 1, erased: 1 });
    expect(result.refused.map(({ name }) => name).sort()).toEqual(['huge', 'not an id', 'p1', 'p2']);
    for (const key of keys.slice(3)) expect((await vault.get(key.projectId)).equals(key)).toBe(true);
    await expect(vault.get('p0')).rejects.toThrow(ProjectKeysErased);
    await expect(vault.get('p1')).rejects.toThrow(ProjectKeysMissing);
  });

  it('the keys of one project can be looked at in the bucket, and taken from it', async () => {
    const keys = await vault.ensure('p1', bucket);
    expect(await vault.hasTraceOf('p1', bucket)).toBe(true);
    expect(await vault.hasTraceOf('p2', bucket)).toBe(false);
    loseTheDatabase();
    expect(await vault.hasTraceOf('p1', bucket)).toBe(true);

    expect((await vault.copyIn(bucket, 'p1')).equals(keys)).toBe(true);
    expect(rows.rows.size).toBe(0);
    await expect(vault.copyIn(bucket, 'p2')).rejects.toThrow(ProjectKeysMissing);
    await expect(vault.copyIn(bucket, '../p1')).rejects.toThrow(ProjectIdInvalid);
    bucket.objects.set('keys/p3', Buffer.from('no key'));
    await expect(vault.copyIn(bucket, 'p3')).rejects.toMatchObject({ code: 'vault-unreadable' });
    await vault.destroy('p4', bucket);
    await expect(vault.copyIn(bucket, 'p4')).rejects.toThrow(ProjectKeysErased);

    expect((await vault.takeFromBucket('p1', bucket)).equals(keys)).toBe(true);
    expect((await vault.get('p1')).equals(keys)).toBe(true);
    await expect(vault.takeFromBucket('p2', bucket)).rejects.toThrow(ProjectKeysMissing);
  });

  it('nothing is made or opened while it is not known what was there', async () => {
    const sealed = await vault.ensure('p1', bucket).then(async () => await vault.seal('p1', 'Diary', title));
    loseTheDatabase();
    await expect(vault.open('p1', sealed, title)).rejects.toThrow(ProjectKeysMissing);
    expect(rows.rows.size).toBe(0);
  });

  it('keys that do not open are never overwritten', async () => {
    await vaultOf(rows, new PlatformKeys(randomBytes(32).toString('base64'))).ensure('p1', bucket);
    const copy = bucket.text('keys/p1');
    loseTheDatabase();

    await expect(vault.ensure('p1', bucket)).rejects.toThrow(VaultConflict);
    expect(bucket.text('keys/p1')).toBe(copy);
    expect(rows.rows.size).toBe(0);
  });

  it('keys that were made meanwhile and given to nobody give way to those of the bucket', async () => {
    const before = await vault.ensure('p1', bucket);
    loseTheDatabase();
    const other = new InMemoryBucket();
    const unconfirmed = Object.assign(new InMemoryBucket(), { put: () => Promise.reject(new Error('no')) });
    await expect(vault.ensure('p1', unconfirmed)).rejects.toThrow('no');

    expect((await vault.ensure('p1', bucket)).equals(before)).toBe(true);
    expect(other.objects.size).toBe(0);
  });
});

describe('keys in use', () => {
  it('never give way to others that turn up in the bucket', async () => {
    const keys = await vault.ensure('p1', bucket);
    const foreign = new InMemoryBucket();
    await vaultOf(new InMemoryRows()).ensure('p1', foreign);

    await expect(vault.confirmCopy('p1', foreign)).rejects.toThrow(VaultConflict);
    expect((await vault.get('p1')).equals(keys)).toBe(true);
  });

  it('come back into a bucket that lost them', async () => {
    await vault.ensure('p1', bucket);
    const copy = bucket.text('keys/p1');
    bucket.objects.clear();
    await vault.confirmCopy('p1', bucket);
    expect(bucket.text('keys/p1')).toBe(copy);
  });
});

describe('destroyed keys', () => {
  it('leave nothing that opens, and are not made again', async () => {
    await vault.ensure('p1', bucket);
    const sealed = await vault.seal('p1', 'Diary', title);
    expect(await vault.open('p1', sealed, title)).toBe('Diary');

    await vault.destroy('p1', bucket);
    await vault.destroy('p1', bucket);

    expect(await vault.open('p1', sealed, title)).toBe('[erased]');
    expect(await vaultOf(rows).open('p1', sealed, title)).toBe('[erased]');
    await expect(vault.seal('p1', 'Diary', title)).rejects.toThrow(ProjectKeysErased);
    await expect(vault.ensure('p1', bucket)).rejects.toThrow(ProjectKeysErased);
    await expect(vault.get('p1')).rejects.toThrow(ProjectKeysErased);
  });

  it('stay destroyed when either place is restored from an older state', async () => {
    await vault.ensure('p1', bucket);
    const [oldRows, oldBucket] = [new Map(rows.rows), new Map(bucket.objects)];
    await vault.destroy('p1', bucket);

    const database = new InMemoryRows();
    for (const [id, row] of oldRows) database.rows.set(id, row);
    await expect(vaultOf(database).restoreFromBucket(bucket)).resolves.toMatchObject({ erased: 1 });
    await expect(vaultOf(database).get('p1')).rejects.toThrow(ProjectKeysErased);

    for (const [key, object] of oldBucket) bucket.objects.set(key, object);
    await expect(vault.restoreFromBucket(bucket)).resolves.toMatchObject({ erased: 1 });
    loseTheDatabase();
    await expect(vault.ensure('p1', bucket)).rejects.toThrow(ProjectKeysErased);
  });

  it('are destroyed in the database even when the bucket is out of reach, and in the bucket when it is back', async () => {
    await vault.ensure('p1', bucket);
    const broken = new InMemoryBucket(() => Promise.reject(withCode('object-storage-unreachable')));
    await expect(vault.destroy('p1', broken)).rejects.toThrow('object-storage-unreachable');
    await expect(vault.get('p1')).rejects.toThrow(ProjectKeysErased);

    await vault.destroy('p1', bucket);
    loseTheDatabase();
    await expect(vault.restoreFromBucket(bucket)).resolves.toMatchObject({ erased: 1 });
  });

  it('can be those of a project that never had any', async () => {
    await vault.destroy('p1', bucket);
    await expect(vault.ensure('p1', bucket)).rejects.toThrow(ProjectKeysErased);
  });

  it('cannot be forged by somebody who can only write into the bucket', async () => {
    await vault.ensure('p1', bucket);
    await vault.ensure('p2', bucket);
    await vault.destroy('p2', bucket);
    bucket.objects.set('keys/p1', bucket.objects.get('keys/p2') ?? Buffer.alloc(0));

    await expect(vault.restoreFromBucket(bucket)).resolves.toMatchObject({ refused: [{ name: 'p1' }] });
    await expect(vault.get('p1')).resolves.toBeInstanceOf(ProjectKeys);
  });

  it('are forgotten by other processes within a minute', async () => {
    let now = 0;
    const other = vaultOf(rows, platformKeys, () => now);
    await vault.ensure('p1', bucket);
    const sealed = await other.seal('p1', 'Diary', title);
    await vault.destroy('p1', bucket);

    now = 60_000;
    expect(await other.open('p1', sealed, title)).toBe('[erased]');
  });
});

describe('however the steps of several processes fall together', () => {
  const options = { numRuns: 100, endOnFailure: true };

  it('all get the same keys, and both places hold them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.boolean(), async (scheduler, databaseWasLost) => {
        const pause = async () => await scheduler.schedule(Promise.resolve());
        const shared = { rows: new InMemoryRows(pause), bucket: new InMemoryBucket(pause) };
        const before = databaseWasLost
          ? await scheduler.waitFor(vaultOf(new InMemoryRows()).ensure('p1', shared.bucket))
          : undefined;

        const all = await scheduler.waitFor(
          Promise.all([1, 2, 3].map(async () => await vaultOf(shared.rows).ensure('p1', shared.bucket))),
        );

        const expected = before ?? (await scheduler.waitFor(vaultOf(shared.rows).get('p1')));
        for (const keys of all) expect(keys.equals(expected)).toBe(true);
        expect(shared.bucket.text('keys/p1')).toBe(shared.rows.rows.get('p1')?.wrapped);
      }),
      options,
    );
  });

  it('a destruction that has ended is never undone', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.boolean(), async (scheduler, hadKeys) => {
        const pause = async () => await scheduler.schedule(Promise.resolve());
        const shared = { rows: new InMemoryRows(pause), bucket: new InMemoryBucket(pause) };
        const process = () => vaultOf(shared.rows);
        if (hadKeys) await scheduler.waitFor(process().ensure('p1', shared.bucket));

        await scheduler.waitFor(
          Promise.all([
            process().destroy('p1', shared.bucket),
            process().ensure('p1', shared.bucket).catch(erased),
            process().restoreFromBucket(shared.bucket),
            process().ensure('p1', shared.bucket).catch(erased),
          ]),
        );

        await expect(scheduler.waitFor(process().get('p1'))).rejects.toThrow(ProjectKeysErased);
        const fromBucketAlone = vaultOf(new InMemoryRows()).ensure('p1', shared.bucket);
        await expect(scheduler.waitFor(fromBucketAlone)).rejects.toThrow(ProjectKeysErased);
      }),
      options,
    );

    function erased(error: unknown): void {
      if (!(error instanceof ProjectKeysErased)) throw error;
    }
  });
});

it('the object storage is a store of copies', () => {
  const isStore = (store: ObjectStore): CopyStore => store;
  expect(isStore).toBeDefined();
});
