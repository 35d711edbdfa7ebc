/** The first entries of a list, and how long it really is. */
export interface BoundedList<T> {
  total: number;
  first: T[];
}

const MOST_LISTED = 100;

export function emptyList<T>(): BoundedList<T> {
  return { total: 0, first: [] };
}

/** Counts an entry, and keeps it while there is room. */
export function note<T>(list: BoundedList<T>, entry: T): void {
  list.total += 1;
  if (list.first.length < MOST_LISTED) list.first.push(entry);
}

export function joined<T>(one: BoundedList<T>, other: BoundedList<T>): BoundedList<T> {
  return { total: one.total + other.total, first: [...one.first, ...other.first].slice(0, MOST_LISTED) };
}
