import type { EntityManager, EntityTarget, ObjectLiteral } from 'typeorm';

/**
 * The rows of one table that a batch of events touches: read once, changed in memory, written once. What the events
 * mean is then a pure matter, and a batch of 500 costs two statements.
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

  /** The select that reads the rows with these keys, as `name` and `row`. */
  selection(name: string, keys: Iterable<string[]>, manager: EntityManager, parameters: Parameters): string {
    const wanted = [...new Map([...keys].map((key) => [joined(key), key])).values()];
    const { tablePath } = manager.connection.getMetadata(this.entity);
    return `SELECT ${parameters.add(name)} AS name, to_jsonb(t) AS row
       FROM ${quoted(tablePath)} t JOIN ${this.keyed(wanted, parameters)} ON ${this.match}`;
  }

  /** A row as the selection found it. */
  found(row: Row): void {
    this.rows.set(joined(this.keyColumns.map((column) => String(row[column]))), row);
  }

  /** The statements that write what has changed. No two of them touch the same row. */
  changes(manager: EntityManager, parameters: Parameters): string[] {
    const { tablePath, columns } = manager.connection.getMetadata(this.entity);
    const table = quoted(tablePath);
    const keys = this.keyColumns.map((column) => `"${column}"`);
    const changed = [...this.changed].map((key) => ({ key: JSON.parse(key) as string[], row: this.rows.get(key) }));
    const gone = changed.filter(({ row }) => row === null).map(({ key }) => key);
    const kept = changed.flatMap(({ row }) => row ?? []);
    const statements: string[] = [];
    if (gone.length > 0) {
      statements.push(`DELETE FROM ${table} t USING ${this.keyed(gone, parameters)} WHERE ${this.match}`);
    }
    if (kept.length > 0) {
      const names = columns.map((column) => `"${column.databaseName}"`);
      const updates = names.filter((name) => !keys.includes(name)).map((name) => `${name} = excluded.${name}`);
      statements.push(
        `INSERT INTO ${table} (${names.join(', ')})
         SELECT ${names.join(', ')}
         FROM jsonb_populate_recordset(NULL::${table}, ${parameters.add(JSON.stringify(kept))}::jsonb)
         ON CONFLICT (${keys.join(', ')}) DO UPDATE SET ${updates.join(', ')}`,
      );
    }
    return statements;
  }

  /** The keys as a table. */
  private keyed(keys: readonly string[][], parameters: Parameters): string {
    const columns = this.keyColumns.map((_, index) => `${parameters.add(keys.map((key) => key[index]))}::text[]`);
    return `unnest(${columns.join(', ')}) AS k(${this.keyColumns.map((column) => `"${column}"`).join(', ')})`;
  }

  private get match(): string {
    return this.keyColumns.map((column) => `t."${column}" = k."${column}"`).join(' AND ');
  }
}

/** What stands for `$1`, `$2`, … in a statement that is put together from parts. */
export class Parameters {
  readonly values: unknown[] = [];

  /** @returns the place that stands for the value */
  add(value: unknown): string {
    return `$${this.values.push(value)}`;
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
