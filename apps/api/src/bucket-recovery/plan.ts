import {
  asDescribed,
  descriptionOf,
  faultInDescription,
  isRestorable,
  suspiciousLoss,
  unwitnessedRecord,
  type BackupRecord,
  type BackupRecorded,
  type DescribedPlace,
  type PartialReason,
  type SelfDescribed,
} from '@buckets/contracts';
import type { OperationKnown } from '../operations/operation-known.js';
import { HIGHEST_GENERATION } from '../project-decisions/generation.js';

/** One snapshot that calls itself a backup of the project: as little of it as its place among the others takes. */
export interface Described extends DescribedPlace, Pick<BackupRecord, 'operationId' | 'files' | 'bytes'> {}

/** What a snapshot says of itself: a backup of the project, something that cannot be a fact, or nothing of ours. */
export type Telling =
  | { is: 'backup'; described: Described; record: Omit<BackupRecorded, 'recovered'> }
  | { is: 'unbelievable'; why: string }
  | { is: 'foreign' };

/** Reads what a snapshot says of itself. Whoever had the repository's key may have written it: it has to be possible. */
export function tellingOf(snapshot: SelfDescribed, projectId: string): Telling {
  const description = descriptionOf(snapshot, projectId);
  if (description === null) return { is: 'foreign' };
  const fault = faultInDescription(description);
  if (fault !== null) return { is: 'unbelievable', why: fault };
  const { generation, counter, host: hostId, beganPosition } = description;
  if (counter.generation !== generation) return { is: 'unbelievable', why: 'its counter is of another generation' };
  if (generation > HIGHEST_GENERATION) return { is: 'unbelievable', why: 'no project was assigned so often' };
  const record = { ...unwitnessedRecord(snapshot, description), hostId };
  const { backupId, operationId, beganAt, files, bytes } = record;
  const place = { backupId, generation, beganAt, ...(beganPosition === undefined ? {} : { beganPosition }) };
  return { is: 'backup', described: { ...place, operationId, files, bytes }, record };
}

/** A snapshot that is to be a backup again, and what it is flagged with. */
export interface Placed extends Described {
  suspicions: PartialReason[];
}

/** What of a repository's snapshots is to be stated, and what cannot be. */
export interface Plan {
  /** The oldest first: in this order they are to be stated. */
  missing: Placed[];
  /** What belongs before one that was stated already: stated now, it would count as newer than that. */
  late: Described[];
  /** Those of operations that have not ended: their hosts may have the say yet. */
  open: Described[];
}

/** What the log knows of a project's snapshots. */
export interface Known {
  /** Whether it has this backup, or has deleted it. */
  knows: (backupId: string) => boolean;
  /** Whether it has this backup as one that was found in its bucket. */
  wasFound: (backupId: string) => boolean;
  /** What it knows of the operation. Once that has ended by a word of its host, what it made is for the log to say. */
  operation: (operationId: string) => OperationKnown;
}

/**
 * Which snapshots are to be stated as backups, in the order in which they say that they began. One that holds suspiciously
 * less than the good one before it is flagged, as its host would have flagged it. Pure.
 */
export function planOf(all: readonly Described[], { knows, wasFound, operation }: Known): Plan {
  const ordered = all.toSorted(asDescribed);
  const lastFound = ordered.findLastIndex(({ backupId }) => wasFound(backupId));
  const plan: Plan = { missing: [], late: [], open: [] };
  let good: Described | undefined;
  for (const [index, described] of ordered.entries()) {
    const suspicions = suspiciousLoss(described, good);
    if (isRestorable(suspicions)) good = described;
    const maker = operation(described.operationId);
    if (knows(described.backupId) || maker === 'ended') continue;
    if (maker === 'open') plan.open.push(described);
    else if (index < lastFound) plan.late.push(described);
    else plan.missing.push({ ...described, suspicions });
  }
  return plan;
}
