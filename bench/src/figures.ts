/** The middle of the values; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) throw new RangeError('There is no median of nothing.');
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The value that so many of a hundred do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  if (sorted.length === 0) throw new RangeError('There is no percentile of nothing.');
  return sorted[Math.ceil((percent / 100) * sorted.length) - 1]!;
}

/** Two sides of one thing, measured in turns in the same run. Milliseconds. */
export interface Comparison {
  what: string;
  ours: number[];
  bare: number[];
  bareIs: string;
  /** Ours may be this many times bare at most. */
  goal: number;
}

export function printComparison({ what, ours, bare, bareIs, goal }: Comparison): void {
  const ratio = median(ours) / median(bare);
  console.log(`\n${what}`);
  console.log(`  Buckets      median ${seconds(median(ours))}   (${ours.map(seconds).join(', ')})`);
  console.log(`  ${bareIs}  median ${seconds(median(bare))}   (${bare.map(seconds).join(', ')})`);
  console.log(`  ratio ${ratio.toFixed(2)}, goal at most ${goal.toFixed(2)}: ${ratio <= goal ? 'met' : 'NOT MET'}`);
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`;
}

/** Runs both sides in turns, so that whatever else the machine does hits both. */
export async function inTurns(
  rounds: number,
  ours: (round: number) => Promise<number>,
  bare: (round: number) => Promise<number>,
): Promise<{ ours: number[]; bare: number[] }> {
  const measured = { ours: [] as number[], bare: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    // Who begins changes from round to round.
    if (round % 2 === 0) {
      measured.ours.push(await ours(round));
      measured.bare.push(await bare(round));
    } else {
      measured.bare.push(await bare(round));
      measured.ours.push(await ours(round));
    }
  }
  return measured;
}

/**
 * How often a value of the one exceeds one of the other, ties by half, and how many standard errors that is from a half
 * (Mann-Whitney): whether two samples are of the same distribution, whatever that looks like.
 */
export function outranks(one: readonly number[], other: readonly number[]): { share: number; errors: number } {
  const all = [...one.map((value) => ({ value, ofOne: true })), ...other.map((value) => ({ value, ofOne: false }))];
  all.sort((a, b) => a.value - b.value);
  let ranks = 0;
  for (let from = 0, to = 0; from < all.length; from = to) {
    while (to < all.length && all[to]!.value === all[from]!.value) to++;
    const rank = (from + 1 + to) / 2;
    ranks += rank * all.slice(from, to).filter(({ ofOne }) => ofOne).length;
  }
  const [n, m] = [one.length, other.length];
  const share = (ranks - (n * (n + 1)) / 2) / (n * m);
  return { share, errors: (share - 0.5) / Math.sqrt((n + m + 1) / (12 * n * m)) };
}
