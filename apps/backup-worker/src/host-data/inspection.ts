import type { UnrecordedRoot } from './errors.js';
import { ROOT_NAMES } from './host-folders.js';
import type { RootName } from './host-folders.js';
import type { ProvisionedRecord } from './provisioned-record.js';
import { isSameRoot } from './roots.js';
import type { RootIdentity, RootSight } from './roots.js';

/** What this host has of a project. A folder that exists is not data that is there: the record decides. */
export type Inspection =
  /** The record's own roots are in place. */
  | { state: 'provisioned'; record: ProvisionedRecord }
  /** No roots and no record of this assignment: nothing was ever here, or all of it is gone. */
  | { state: 'missing' }
  /** Empty root folders and no record, as a mount or a browser makes them: counts as missing. */
  | { state: 'empty-unrecorded' }
  /** The record says provisioned and these roots are gone, or replaced by empty folders. */
  | { state: 'root-missing'; record: ProvisionedRecord; missing: RootName[] }
  /** The recorded roots are those of another assignment: whatever has become of the project since, they are not its data. */
  | { state: 'other-assignment'; record: ProvisionedRecord }
  /** Something stands in a root's place that no record accounts for: kept, reported, never restored over. */
  | { state: 'unrecorded-data'; record?: ProvisionedRecord; found: UnrecordedRoot[] };

/** Decides from the record and a look at both places, and from nothing else. `generation` is that of the assignment. */
export function judge(
  record: ProvisionedRecord | undefined,
  sights: Record<RootName, RootSight>,
  generation: number,
): Inspection {
  const found = ROOT_NAMES.flatMap((root) => {
    const what = unrecorded(sights[root], record?.roots[root]);
    return what === undefined ? [] : [{ root, what }];
  });
  if (found.length > 0) return { state: 'unrecorded-data', record, found };
  if (record?.generation === generation) {
    const missing = ROOT_NAMES.filter((root) => !isRecorded(sights[root], record.roots[root]));
    return missing.length === 0 ? { state: 'provisioned', record } : { state: 'root-missing', record, missing };
  }
  if (record && ROOT_NAMES.some((root) => isRecorded(sights[root], record.roots[root]))) {
    return { state: 'other-assignment', record };
  }
  const nothing = ROOT_NAMES.every((root) => sights[root].kind === 'absent');
  return nothing ? { state: 'missing' } : { state: 'empty-unrecorded' };
}

function isRecorded(sight: RootSight, recorded: RootIdentity | undefined): boolean {
  return sight.kind === 'folder' && recorded !== undefined && isSameRoot(sight.identity, recorded);
}

function unrecorded(sight: RootSight, recorded: RootIdentity | undefined): string | undefined {
  if (sight.kind === 'other') return sight.what;
  if (sight.kind === 'absent' || sight.empty || isRecorded(sight, recorded)) return undefined;
  return recorded ? 'files in another folder than the recorded one' : 'files without a record';
}
