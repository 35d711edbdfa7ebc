import type { OutsideChange } from '@buckets/freshness';

/** Each backup has one at most that counts, so more of them concern backups that are long superseded. */
export const MAX_OUTSIDE_CHANGES = 50;

/**
 * One more change from outside, oldest first. Beyond the bound the two oldest become one, at the earlier moment and
 * the later position: a backup from between them then seems to lack it for longer than it does, none for less.
 */
export function withOutsideChange(changes: readonly OutsideChange[], change: OutsideChange): OutsideChange[] {
  const all = [...changes, change];
  if (all.length <= MAX_OUTSIDE_CHANGES) return all;
  const [oldest, second, ...others] = all as [OutsideChange, OutsideChange, ...OutsideChange[]];
  return [{ ...second, at: Math.min(oldest.at, second.at) }, ...others];
}
