export interface PruneOrder {
  /** Unused data that may stay, in percent of the repository. rustic's default is 5. */
  maxUnusedPercent?: number;
  /** Data that may be packed anew in one run, in percent of the repository. rustic's default is 10. */
  maxRepackPercent?: number;
}

/** Counts of packs. */
export interface PruneReport {
  repacked: number;
  /** Found unused: marked now, removed by a prune at least 23 hours later. */
  marked: number;
  /** Marked long ago, and removed now. */
  removed: number;
  /** Marked not long enough ago. */
  stillMarked: number;
  /** Marked before, and in use again. */
  recovered: number;
}

/** Packs are marked, and removed by a later run: a backup that goes on meanwhile may still come to need them. */
export function pruneArguments(order: PruneOrder, { dryRun }: { dryRun: boolean }): string[] {
  const { maxUnusedPercent, maxRepackPercent } = order;
  return [
    'prune',
    '--keep-delete=23h',
    ...(maxUnusedPercent === undefined ? [] : [`--max-unused=${maxUnusedPercent}%`]),
    ...(maxRepackPercent === undefined ? [] : [`--max-repack=${maxRepackPercent}%`]),
    ...(dryRun ? ['--dry-run'] : []),
  ];
}

/** @returns undefined when the plan is not in the messages */
export function readPruneReport(infos: readonly string[]): PruneReport | undefined {
  const packs = (beginning: RegExp) => {
    const line = infos.find((info) => beginning.test(info));
    return line === undefined ? undefined : Number(/:\s+(\d+)/.exec(line)?.[1] ?? 0);
  };
  const marked = packs(/^to delete:/);
  if (marked === undefined) return undefined;
  return {
    repacked: packs(/^to repack:/) ?? 0,
    marked,
    removed: packs(/^ - complete deletion:/) ?? 0,
    stillMarked: packs(/^ - keep marked:/) ?? 0,
    recovered: packs(/^ - recover:/) ?? 0,
  };
}
