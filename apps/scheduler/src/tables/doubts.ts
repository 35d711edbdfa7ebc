import type { ProjectRow } from './rows.js';

/** Of how many backups a deletion may have removed nobody knows whether they are there: see {@link ProjectRow}. */
export type Doubts = Pick<ProjectRow, 'in_doubt' | 'doubts_since'>;

/** A deletion that had begun did not come to a good end. */
export function doubtsAfterDeletion({ in_doubt, doubts_since }: Doubts, more: number, at: number): Doubts {
  const all = in_doubt + more;
  return { in_doubt: all, doubts_since: all === 0 ? null : (doubts_since ?? at) };
}

/** What a look into the repository has not settled is looked for again, in time from its end. */
export function doubtsAfterTidying({ in_doubt }: Doubts, at: number): Doubts {
  return { in_doubt, doubts_since: in_doubt === 0 ? null : at };
}

/** Of so many it is known whether they are there. */
export function settledDoubts({ in_doubt, doubts_since }: Doubts, settled: number): Doubts {
  const left = in_doubt - settled;
  return { in_doubt: left, doubts_since: left === 0 ? null : doubts_since };
}
