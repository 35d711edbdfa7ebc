import { descriptionOf, LAYOUT, type SnapshotDescription } from '@buckets/contracts';
import type { Snapshot } from '@buckets/repository';
import { AttemptFailed } from '../operations/operation.js';

export const VERSION = '0.1.0';

export function writeDescription(fields: Omit<SnapshotDescription, 'layout' | 'version'>): string {
  const description: SnapshotDescription = { layout: LAYOUT, ...fields, version: VERSION };
  return JSON.stringify(description);
}

/**
 * What a snapshot says of itself. Layout v2 is the only one there is.
 *
 * @throws {AttemptFailed} `unknown-layout` for a snapshot without it, or of another project
 */
export function readDescription(snapshot: Snapshot, projectId: string): SnapshotDescription {
  const description = descriptionOf(snapshot, projectId);
  if (description !== null) return description;
  throw new AttemptFailed('unknown-layout', 'This snapshot is not a backup of this project in layout v2.');
}
