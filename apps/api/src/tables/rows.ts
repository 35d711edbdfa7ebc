import type { EntityManager, EntityTarget, ObjectLiteral } from 'typeorm';

/**
 * The rows of one table that a batch of events touches: read once, changed in memory, written once. What the events
 * mean is then a pure matter, and a batch of 500 costs two statements.
 */
export class Rows<Row extends ObjectLiteral, Unread extends keyof Row & string = never> {
  private readonly rows = new Map<string, Read<Row, Unread> | null>();
  private readonly changed = new Set<string>();

  /** @param unread columns that are large and written once: of a row that was there before, they are not read */
  constructor(
    private readonly entity: EntityTarget<Row>,
    private readonly keyColumns: (keyof Row & string)[],
    private readonly unread: readonly Unread[] = [],
  ) {}

  get(...key: string[]): Read<Row, Unread> | null {
    return this.rows.get(joined(key)) ?? null;
  }

  put(row: Read<Row, Unread>): void {
    const key = this.keyOf(row);
    this.rows.set(key, row);
    this.changed.add(key);
  }

  /** Changes the columns named, if the row exists. */
  patch(key: string[], columns: Partial<Read<Row, Unread>>): void {
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
    return this.joining(name, `${this.keyed(wanted, parameters)} ON ${this.match}`, manager, parameters);
  }

  /** The same of the rows `t` that a join finds. */
  joining(name: string, join: string, manager: EntityManager, parameters: Parameters): string {
    const { tablePath } = manager.connection.getMetadata(this.entity);
    return `SELECT ${parameters.add(name)} AS name, ${this.columnsRead(manager)} AS row
       FROM ${quoted(tablePath)} t JOIN ${join}`;
  }

  private columnsRead(manager: EntityManager): string {
    if (this.unread.length === 0) return 'to_jsonb(t)';
    const names = this.names(manager).filter((name) => !this.isUnread(name));
    return `jsonb_build_object(${names.map((name) => `'${name}', t."${name}"`).join(', ')})`;
  }

  private names(manager: EntityManager): string[] {
    return manager.connection.getMetadata(this.entity).columns.map(({ databaseName }) => databaseName);
  }

  private isUnread(name: string): boolean {
    return this.unread.some((unread) => unread === name);
  }

  /** A row as the selection found it. */
  found(row: Read<Row, Unread>): void {
    this.rows.set(this.keyOf(row), row);
  }

  /** The statements that write what has changed. No two of them touch the same row. */
  changes(manager: EntityManager, parameters: Parameters): string[] {
    const { tablePath } = manager.connection.getMetadata(this.entity);
    const table = quoted(tablePath);
    const changed = [...this.changed].map((key) => ({ key: JSON.parse(key) as string[], row: this.rows.get(key) }));
    const gone = changed.filter(({ row }) => row === null).map(({ key }) => key);
    const kept = changed.flatMap(({ row }) => row ?? []);
    const isWhole = (row: object): boolean => this.unread.every((name) => Object.hasOwn(row, name));
    const [whole, read] = [kept.filter(isWhole), kept.filter((row) => !isWhole(row))];
    const names = this.names(manager);
    const recordset = (rows: object[]): string =>
      `jsonb_populate_recordset(NULL::${table}, ${parameters.add(JSON.stringify(rows))}::jsonb)`;
    const set = (from: string, columns: string[]): string =>
      columns
        .filter((name) => !this.keyColumns.includes(name))
        .map((name) => `"${name}" = ${from}."${name}"`)
        .join(', ');
    const listed = (columns: readonly string[]): string => columns.map((name) => `"${name}"`).join(', ');
    const statements: string[] = [];
    if (gone.length > 0) {
      statements.push(`DELETE FROM ${table} t USING ${this.keyed(gone, parameters)} WHERE ${this.match}`);
    }
    if (read.length > 0) {
      const columns = names.filter((name) => !this.isUnread(name));
      statements.push(`UPDATE ${table} t SET ${set('k', columns)} FROM ${recordset(read)} AS k WHERE ${this.match}`);
    }
    if (whole.length > 0) {
      statements.push(
        `INSERT INTO ${table} (${listed(names)}) SELECT ${listed(names)} FROM ${recordset(whole)}
         ON CONFLICT (${listed(this.keyColumns)}) DO UPDATE SET ${set('excluded', names)}`,
      );
    }
    return statements;
  }

  private keyOf(row: Read<Row, Unread>): string {
    return joined(this.keyColumns.map((column) => String((row as Row)[column])));
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

/** A row without the columns that may not have been read. */
type Read<Row, Unread extends keyof Row> = Omit<Row, Unread> & Partial<Pick<Row, Unread>>;

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
