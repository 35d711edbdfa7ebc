import type { EntityManager, EntityTarget, ObjectLiteral } from 'typeorm';

/** Rows that one statement changes: far from what it has time, and Postgres parameters, for. */
const PIECE = 1_000;

/**
 * Changes rows in pieces, however many there are.
 *
 * @param statement changes so many rows at most as its last parameter says, none of them twice, and gives how many it has
 *   `changed`
 */
export async function changeInPieces(
  manager: EntityManager,
  statement: string,
  parameters: readonly unknown[],
): Promise<void> {
  for (;;) {
    const [row] = await manager.query<{ changed: number }[]>(statement, [...parameters, PIECE]);
    if (row!.changed < PIECE) return;
  }
}

/** Writes rows in pieces, however many there are. @param keys by which rows that are there already are known */
export async function upsertInPieces<Row extends ObjectLiteral>(
  manager: EntityManager,
  entity: EntityTarget<Row>,
  rows: readonly Row[],
  keys: (keyof Row & string)[],
): Promise<void> {
  for (let at = 0; at < rows.length; at += PIECE) {
    await manager.upsert(entity, rows.slice(at, at + PIECE) as Parameters<typeof manager.upsert<Row>>[1], keys);
  }
}
