/** Work that is due, of somebody whose work takes turns with that of others. */
export interface Waiting {
  lane: string;
  /** Milliseconds since 1970. */
  readyAt: number;
}

/**
 * Whose turn it is: so many of those who wait, from the one after whoever had the last turn on, and then from the
 * beginning. Pure.
 */
export function nextTurns(waiting: Iterable<string>, { after, atMost }: { after: string; atMost: number }): string[] {
  const lanes = [...new Set(waiting)].sort(byCodePoint);
  const first = lanes.findIndex((lane) => byCodePoint(lane, after) > 0);
  const turns = first === -1 ? lanes : [...lanes.slice(first), ...lanes.slice(0, first)];
  return turns.slice(0, atMost);
}

/** So much of the work, one of each lane before the second of any, in a lane the longest overdue first. Pure. */
export function shareOut<Work extends Waiting>(work: readonly Work[], atMost: number): Work[] {
  const lanes = Map.groupBy(work, ({ lane }) => lane);
  const ranked = [...lanes.values()].flatMap((all) =>
    all.toSorted((a, b) => a.readyAt - b.readyAt).map((each, rank) => ({ each, rank })),
  );
  return ranked
    .toSorted((a, b) => a.rank - b.rank || a.each.readyAt - b.each.readyAt)
    .slice(0, atMost)
    .map(({ each }) => each);
}

/** As the database sorts lanes. */
function byCodePoint(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
