import type { EntityManager, EntityTarget, ObjectLiteral } from 'typeorm';

/**
 * The rows of one table that a batch of events touches: read once, changed in memory, written once. What the events
 * mean is then a pure matter, and a batch of 500 costs a handful of statements.
 */
export class Rows<Row extends ObjectLiteral> {
  private readonly rows = new Map<string, Row | null>();
  private readonly changed = new Set<string>();

  constructor(
    private readonly entity: EntityTarget<Row>,
    private readonly keyColumns: (keyof Row & string)[],
  ) {}

  get(...key: string[]): Row | null {
    return this.rows.get(joined(key)) ?? null;
  }

  put(row: Row): void {
    const key = joined(this.keyColumns.map((column) => String(row[column])));
    this.rows.set(key, row);
    this.changed.add(key);
  }

  /** Changes the columns named, if the row exists. */
  patch(key: string[], columns: Partial<Row>): void {
    const row = this.get(...key);
    if (row !== null) this.put({ ...row, ...columns });
  }

  delete(...key: string[]): void {
    this.rows.set(joined(key), null);
    this.changed.add(joined(key));
  }

  /** Reads the rows with these keys. */
  async fetch(keys: Iterable<string[]>, manager: EntityManager): Promise<void> {
    const wanted = [...new Map([...keys].map((key) => [joined(key), key])).values()];
    if (wanted.length === 0) return;
    const { tablePath } = manager.connection.getMetadata(this.entity);
    const match = this.keyColumns.map((column, index) => `t."${column}" = k."k${index}"`).join(' AND ');
    const sources = this.keyColumns.map((_, index) => `$${index + 1}::text[]`).join(', ');
    const names = this.keyColumns.map((_, index) => `"k${index}"`).join(', ');
    const found = await manager.query<{ row: Row }[]>(
      `SELECT to_jsonb(t) AS row FROM ${quoted(tablePath)} t JOIN unnest(${sources}) AS k(${names}) ON ${match}`,
      this.keyColumns.map((_, index) => wanted.map((key) => key[index])),
    );
    for (const { row } of found) this.rows.set(joined(this.keyColumns.map((column) => String(row[column]))), row);
  }

  /** Writes what has changed. */
  async flush(manager: EntityManager): Promise<void> {
    const { tablePath, columns } = manager.connection.getMetadata(this.entity);
    const table = quoted(tablePath);
    const keys = this.keyColumns.map((column) => `"${column}"`);
    const gone = [...this.changed]
      .filter((key) => this.rows.get(key) === null)
      .map((key) => JSON.parse(key) as string[]);
    for (const key of gone) {
      await manager.query(
        `DELETE FROM ${table} WHERE ${keys.map((column, i) => `${column} = $${i + 1}`).join(' AND ')}`,
        key,
      );
    }
    const kept = [...this.changed].map((key) => this.rows.get(key)).filter((row) => row !== null);
    if (kept.length === 0) return;
    const names = columns.map((column) => `"${column.databaseName}"`);
    const updates = names.filter((name) => !keys.includes(name)).map((name) => `${name} = excluded.${name}`);
    await manager.query(
      `INSERT INTO ${table} (${names.join(', ')})
       SELECT ${names.join(', ')} FROM jsonb_populate_recordset(NULL::${table}, $1::jsonb)
       ON CONFLICT (${keys.join(', ')}) DO UPDATE SET ${updates.join(', ')}`,
      [JSON.stringify(kept)],
    );
  }
}

function joined(key: string[]): string {
  return JSON.stringify(key);
}

function quoted(tablePath: string): string {
  return tablePath
    .split('.')
    .map((part) => `"${part}"`)
    .join('.');
}
