import type { DataSource } from 'typeorm';
import type { CredentialRows } from '../bucket-credentials.js';
import type { KeyRow, KeyRows } from '../key-rows.js';
import { BucketCredentialsRow, ProjectKeysRow } from './entities.js';

/** The rows of projects' keys in Postgres. */
export class PostgresKeyRows implements KeyRows {
  constructor(private readonly database: DataSource) {}

  async read(projectId: string): Promise<KeyRow | undefined> {
    const row = await this.database.getRepository(ProjectKeysRow).findOneBy({ projectId });
    if (row === null) return undefined;
    return { wrapped: row.wrapped, state: row.erasedAt ? 'erased' : row.copiedAt ? 'confirmed' : 'unconfirmed' };
  }

  async insert(projectId: string, row: KeyRow): Promise<void> {
    await this.database
      .createQueryBuilder()
      .insert()
      .into(ProjectKeysRow)
      .values({ projectId, ...columns(row) })
      .orIgnore()
      .execute();
  }

  async replace(projectId: string, from: string, to: KeyRow): Promise<void> {
    await this.database.getRepository(ProjectKeysRow).update({ projectId, wrapped: from }, columns(to));
  }
}

/** The rows of buckets' credentials in Postgres. */
export class PostgresCredentialRows implements CredentialRows {
  constructor(private readonly database: DataSource) {}

  async read(bucketId: string): Promise<string | undefined> {
    return (await this.database.getRepository(BucketCredentialsRow).findOneBy({ bucketId }))?.wrapped;
  }

  async write(bucketId: string, wrapped: string): Promise<void> {
    const row = { bucketId, wrapped, changedAt: new Date() };
    await this.database.getRepository(BucketCredentialsRow).upsert(row, ['bucketId']);
  }
}

function columns({ wrapped, state }: KeyRow): Pick<ProjectKeysRow, 'wrapped' | 'copiedAt' | 'erasedAt'> {
  return {
    wrapped,
    copiedAt: state === 'confirmed' ? new Date() : null,
    erasedAt: state === 'erased' ? new Date() : null,
  };
}
