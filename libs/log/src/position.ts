import { createHash } from 'node:crypto';
import type { DataSource, EntityManager } from 'typeorm';
import type { LogMessage, Projection } from './projection.js';

/** How far a projection's tables have come, in which log. */
export interface StoredPosition {
  position: number;
  /** Of the log; see `logIdentity`. */
  identity: string;
  /** SHA-256 of the message at that position; empty at position 0. */
  hash: string;
}

/** The row that moves together with the tables of a projection, and tells those who listen. */
export class PositionRow {
  private readonly table: string;

  constructor(private readonly projection: Pick<Projection, 'schema' | 'name'>) {
    this.table = `${quoted(projection.schema)}.projection_position`;
  }

  /** Makes the table, and the row for position 0, which one can then lock. Several may do so at once. */
  async create(data: DataSource, identity: string): Promise<void> {
    await data.transaction(async (rows) => {
      await rows.query(`SELECT pg_advisory_xact_lock(hashtextextended('projection_position', 0))`);
      await rows.query(
        `CREATE TABLE IF NOT EXISTS ${this.table} (
           name text PRIMARY KEY, position bigint NOT NULL, identity text NOT NULL, hash text NOT NULL,
           moved_at timestamptz NOT NULL)`,
      );
      await rows.query(`INSERT INTO ${this.table} VALUES ($1, 0, $2, '', now()) ON CONFLICT DO NOTHING`, [
        this.projection.name,
        identity,
      ]);
    });
  }

  async read(rows: Pick<EntityManager, 'query'>): Promise<StoredPosition> {
    const found = await rows.query<StoredPositionRow[]>(
      `SELECT position, identity, hash FROM ${this.table} WHERE name = $1`,
      [this.projection.name],
    );
    return positionOf(found, this.projection.name);
  }

  /** Null where no projection has been at work yet. */
  async readIfThere(rows: Pick<EntityManager, 'query'>): Promise<StoredPosition | null> {
    const [{ there }] = await rows.query<[{ there: boolean }]>('SELECT to_regclass($1) IS NOT NULL AS there', [
      this.table,
    ]);
    return there ? await this.read(rows) : null;
  }

  /**
   * Keeps others from moving it until the transaction ends. That one need not be flushed to the disk when it ends:
   * what a crash of Postgres takes away is still in the log, and is read from there again.
   */
  async lock(rows: Pick<EntityManager, 'query'>): Promise<StoredPosition> {
    const found = await rows.query<StoredPositionRow[]>(
      `SELECT position, identity, hash, set_config('synchronous_commit', 'off', true) FROM ${this.table}
       WHERE name = $1 FOR UPDATE`,
      [this.projection.name],
    );
    return positionOf(found, this.projection.name);
  }

  /** Moves it, and tells whoever listens as soon as the transaction is committed. */
  async move(rows: Pick<EntityManager, 'query'>, to: StoredPosition): Promise<void> {
    await rows.query(
      `WITH moved AS (UPDATE ${this.table} SET position = $2, identity = $3, hash = $4, moved_at = now() WHERE name = $1)
       SELECT pg_notify($5, $2::text)`,
      [this.projection.name, to.position, to.identity, to.hash, this.channel],
    );
  }

  /** What the notifications of this projection are called in Postgres. */
  get channel(): string {
    return `${this.projection.schema}.${this.projection.name}`;
  }

  async listen(session: Pick<EntityManager, 'query'>): Promise<void> {
    await session.query(`LISTEN ${quoted(this.channel)}`);
  }
}

interface StoredPositionRow extends Omit<StoredPosition, 'position'> {
  /** Postgres hands bigint over as text. */
  position: string;
}

function positionOf([row]: StoredPositionRow[], name: string): StoredPosition {
  if (row === undefined) throw new Error(`The position of the projection ${name} has been removed.`);
  const { position, identity, hash } = row;
  return { position: Number(position), identity, hash };
}

export function hashOf({ subject, bytes }: Pick<LogMessage, 'subject' | 'bytes'>): string {
  return createHash('sha256').update(subject).update('\0').update(bytes).digest('hex');
}

/** An identifier as SQL has it. */
function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
