const MOST_SKIPPED = 1_000_000;

/**
 * The highest generation that is believed where somebody else has written it, such as in a snapshot. The product itself
 * gives out none above it, whatever it was told: what it gives out is believed at any later recovery.
 */
export const HIGHEST_GENERATION = 2 ** 30;
/** So many of the highest are left for assignments, each of which raises the generation by one. */
const LEFT_FOR_ASSIGNMENTS = 2 ** 20;

/**
 * A generation for a project that a log before this one may have known. It is above all that are told of, unless somebody
 * has told of one so high that more room is below it: it lies above the end of the widest room between those told of, and
 * is none of them. The step is random, as there may have been assignments of which nothing tells, such as those after an
 * earlier recovery. Data that a host had then must not be taken for those of today.
 *
 * @param told whoever had a repository's key may have written some of them
 * @param random from 0 up to 1
 */
export function newGeneration(told: readonly number[], random: () => number = Math.random): number {
  const end = HIGHEST_GENERATION - LEFT_FOR_ASSIGNMENTS;
  const bounds = [0, ...told.filter((each) => each < end).toSorted((a, b) => a - b), end];
  let [start, room] = [0, 0];
  for (const [index, from] of bounds.slice(0, -1).entries()) {
    const between = bounds[index + 1]! - from - 1;
    if (between >= room) [start, room] = [from, between];
  }
  return start + 1 + Math.floor(random() * Math.min(room, MOST_SKIPPED));
}
