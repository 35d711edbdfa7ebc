import { ROOT_NAMES } from './host-folders.js';
import type { RootName } from './host-folders.js';
import type { RestoreResult } from './restore-result.js';
import type { RootIdentity } from './roots.js';

/** This host's own word that the data of a project are here. It is written only once they are. */
export interface ProvisionedRecord {
  version: 1;
  projectId: string;
  /** The assignment under which the data came here. A record without one accounts for nothing: nobody knows of when it is. */
  generation: number;
  roots: Record<RootName, RootIdentity>;
  /** ISO 8601. */
  since: string;
  by: 'created' | 'restored' | 'adopted';
  /** The last restore that put roots in place here: a repeated order finds what was already done. */
  restore?: { operationId: string; result: RestoreResult };
}

/** True for what `ProvisionedRecords` writes; a record of another project or version is none. */
export function isProvisionedRecord(value: unknown, projectId: string): value is ProvisionedRecord {
  const record = value as Partial<ProvisionedRecord> | null | undefined;
  return (
    typeof record === 'object' &&
    record?.version === 1 &&
    record.projectId === projectId &&
    Number.isInteger(record.generation) &&
    ROOT_NAMES.every((root) => isIdentity(record.roots?.[root]))
  );
}

function isIdentity(value: Partial<RootIdentity> | undefined): boolean {
  return typeof value?.ino === 'string' && (value.bornNs === null || typeof value.bornNs === 'string');
}
