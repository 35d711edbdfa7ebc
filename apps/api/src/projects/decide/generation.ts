const MOST_SKIPPED = 1_000_000;

/**
 * A generation for a project that a log before this one knew: higher than any that is known of, and by a random step, as
 * there may have been assignments of which nothing tells, such as those after an earlier recovery. Data that a host had
 * then must not be taken for those of today.
 *
 * @param highest the highest that is known of; 0 when none is
 * @param random from 0 up to 1
 */
export function generationAbove(highest: number, random: () => number = Math.random): number {
  return highest + 1 + Math.floor(random() * MOST_SKIPPED);
}
