import { LAYOUT, type SnapshotDescription } from '@buckets/contracts';
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
  const value = parsed(snapshot.description);
  if (value?.layout !== LAYOUT || value.project !== projectId || snapshot.hostname !== projectId) {
    throw new AttemptFailed('unknown-layout', 'This snapshot is not a backup of this project in layout v2.');
  }
  return value as SnapshotDescription;
}

function parsed(text: string | undefined): Partial<SnapshotDescription> | null {
  try {
    return JSON.parse(text ?? 'null') as Partial<SnapshotDescription> | null;
  } catch {
    // Not ours: the caller says so.
    return null;
  }
}
