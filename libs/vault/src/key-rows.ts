/** What the database holds of one project. */
export interface KeyRow {
  /** The project's keys or a tombstone, wrapped. */
  readonly wrapped: string;
  /** `confirmed`: the copy in the bucket was read back and found equal. `erased`: `wrapped` is a tombstone. */
  readonly state: 'unconfirmed' | 'confirmed' | 'erased';
}

/** The database's side of the vault. Both writes are decided by the database, so that racing copies of the API agree. */
export interface KeyRows {
  read(projectId: string): Promise<KeyRow | undefined>;
  /** Changes nothing when the project has a row. */
  insert(projectId: string, row: KeyRow): Promise<void>;
  /** Changes nothing unless the row still holds `from`. */
  replace(projectId: string, from: string, to: KeyRow): Promise<void>;
}
