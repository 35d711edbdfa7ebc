import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { DataSource } from 'typeorm';
import {
  BucketCredentials,
  BucketCredentialsMissing,
  BucketCredentialsRow,
  CreateVault1760000000000,
  PlatformKeys,
  PostgresCredentialRows,
  PostgresKeyRows,
  ProjectKeysErased,
  ProjectKeysMissing,
  ProjectKeysRow,
  Vault,
} from '../index.js';
import { createRepositoryKey, InMemoryBucket } from '../testing/in-memory.js';
import { startPostgres } from '../testing/postgres.js';
import type { RunningPostgres } from '../testing/postgres.js';

jest.setTimeout(20_000);

const platformKeys = new PlatformKeys(randomBytes(32).toString('base64'));
const title = { thing: 'project', id: 'p1', field: 'title' };

let postgres: RunningPostgres;
const open: DataSource[] = [];
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(async () => {
  await Promise.allSettled(open.filter(({ isInitialized }) => isInitialized).map((database) => database.destroy()));
  await postgres.stop();
});

/** A process's own connection to the vault in the given database, made on the first one. */
async function connect(database: string): Promise<DataSource> {
  const source = new DataSource({
    type: 'postgres',
    url: postgres.url(database),
    entities: [ProjectKeysRow, BucketCredentialsRow],
    migrations: [CreateVault1760000000000],
    synchronize: false,
  });
  open.push(await source.initialize());
  return source;
}

async function newDatabase(name: string): Promise<DataSource> {
  await postgres.createDatabase(name);
  const source = await connect(name);
  await source.runMigrations();
  return source;
}

function vaultOf(database: DataSource): Vault {
  return new Vault({ rows: new PostgresKeyRows(database), platformKeys, createRepositoryKey });
}

describe('the vault in Postgres', () => {
  it('is what its entities say, and survives the loss of the record of migrations', async () => {
    const database = await newDatabase('shape');
    expect((await database.driver.createSchemaBuilder().log()).upQueries).toEqual([]);

    const bucket = new InMemoryBucket();
    const keys = await vaultOf(database).ensure('p1', bucket);
    await database.query('DROP TABLE migrations');
    await database.runMigrations();
    expect((await vaultOf(database).get('p1')).equals(keys)).toBe(true);
    await expect(database.undoLastMigration()).rejects.toThrow('never removed');
  });

  it('gives all who race the same keys, each with its own connections', async () => {
    const databases = [await newDatabase('race'), await connect('race'), await connect('race')];
    const bucket = new InMemoryBucket();
    const ids = Array.from({ length: 20 }, (_, i) => `p${i}`);

    const all = await Promise.all(
      databases.map(async (database) => {
        const vault = vaultOf(database);
        return await Promise.all(ids.map(async (id) => await vault.ensure(id, bucket)));
      }),
    );

    for (const [i, id] of ids.entries()) {
      const [first, ...others] = all.map((keys) => keys[i]);
      expect(others.every((keys) => keys !== undefined && first?.equals(keys) === true)).toBe(true);
      expect(bucket.text(`keys/${id}`)).toMatch(/^wrapped:1:/);
    }
    const rows = await databases[0]?.getRepository(ProjectKeysRow).find();
    expect(rows).toHaveLength(20);
    expect(rows?.every(({ copiedAt, erasedAt }) => copiedAt !== null && erasedAt === null)).toBe(true);
  });

  it('is filled again from the bucket after the database was dropped', async () => {
    const before = await newDatabase('lost');
    const bucket = new InMemoryBucket();
    const keys = await vaultOf(before).ensure('p1', bucket);
    const sealed = await vaultOf(before).seal('p1', 'Diary', title);
    await vaultOf(before).ensure('p2', bucket);
    await vaultOf(before).destroy('p2', bucket);
    await before.destroy();
    await postgres.dropDatabase('lost');

    const vault = vaultOf(await newDatabase('lost'));
    await expect(vault.get('p1')).rejects.toThrow(ProjectKeysMissing);
    expect(await vault.restoreFromBucket(bucket)).toEqual({ restored: 1, alreadyThere: 0, erased: 1, refused: [] });

    expect((await vault.get('p1')).equals(keys)).toBe(true);
    expect(await vault.open('p1', sealed, title)).toBe('Diary');
    await expect(vault.get('p2')).rejects.toThrow(ProjectKeysErased);
  });

  it('destroys keys for every process, with nothing of them left in the table', async () => {
    const databases = [await newDatabase('destroy'), await connect('destroy')] as const;
    const bucket = new InMemoryBucket();
    await vaultOf(databases[0]).ensure('p1', bucket);
    const before = await databases[0].getRepository(ProjectKeysRow).findOneByOrFail({ projectId: 'p1' });

    await vaultOf(databases[0]).destroy('p1', bucket);

    await expect(vaultOf(databases[1]).ensure('p1', bucket)).rejects.toThrow(ProjectKeysErased);
    const after = await databases[1].getRepository(ProjectKeysRow).findOneByOrFail({ projectId: 'p1' });
    expect(after).toMatchObject({ copiedAt: null, erasedAt: expect.any(Date) });
    expect(after.wrapped).not.toBe(before.wrapped);
    expect(bucket.text('keys/p1')).toBe(after.wrapped);
  });

  it('keeps the credentials of buckets, wrapped, until others are given', async () => {
    const database = await newDatabase('credentials');
    const credentials = new BucketCredentials(new PostgresCredentialRows(database), platformKeys);
    await expect(credentials.read('b1')).rejects.toThrow(BucketCredentialsMissing);

    await credentials.store('b1', { accessKeyId: 'an access key 1', secretAccessKey: 'hunter2' });
    await credentials.store('b1', { accessKeyId: 'an access key 2', secretAccessKey: 'hunter3' });

    expect(await credentials.read('b1')).toEqual({ accessKeyId: 'an access key 2', secretAccessKey: 'hunter3' });
    expect(JSON.stringify(await database.getRepository(BucketCredentialsRow).find())).not.toMatch(/access key|hunter/);
    await database.query(`UPDATE vault.bucket_credentials SET bucket_id = 'b2'`);
    await expect(credentials.read('b2')).rejects.toThrow('belongs elsewhere');
  });
});
