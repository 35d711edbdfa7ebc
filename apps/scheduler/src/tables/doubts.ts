import type { ProjectRow } from './rows.js';

/** The backups that a deletion may have removed: see {@link ProjectRow}. */
export type Doubts = Pick<ProjectRow, 'in_doubt' | 'doubts_since'>;

/** A deletion that had begun did not come to a good end. */
export function doubtsAfterDeletion({ in_doubt, doubts_since }: Doubts, backupId: string, at: number): Doubts {
  return {
    in_doubt: in_doubt.includes(backupId) ? in_doubt : [...in_doubt, backupId],
    doubts_since: doubts_since ?? at,
  };
}

/** What a look into the repository has not settled is looked for again, in time from its end. */
export function doubtsAfterTidying({ in_doubt }: Doubts, at: number): Doubts {
  return { in_doubt, doubts_since: in_doubt.length === 0 ? null : at };
}

/** Whether the backup is there is known. */
export function withoutDoubt({ in_doubt, doubts_since }: Doubts, backupId: string): Doubts {
  const left = in_doubt.filter((id) => id !== backupId);
  return { in_doubt: left, doubts_since: left.length === 0 ? null : doubts_since };
}
